from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_unicode_slug
from django.db import models
from django.urls import reverse
from django.utils import timezone

from shared_apps.tenants.keys import uuid7

if TYPE_CHECKING:
    from tenant_apps.users.models import User

SLUG_LENGTH = 120
# `/articles/category/` and `/articles/tag/comments/` are pages; what stands there could not be reached.
RESERVED_SLUGS = frozenset({"category", "tag"})


class Category(models.Model):
    """A place in the tree that articles are sorted into."""

    name = models.CharField(max_length=80)
    slug = models.CharField(max_length=SLUG_LENGTH, validators=[validate_unicode_slug])
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["slug"], name="articles_category_slug")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("articles:category", args=[self.slug])

    def clean(self) -> None:
        super().clean()
        ancestor = self.parent
        while ancestor is not None:
            if ancestor.pk == self.pk:
                raise ValidationError({"parent": "A category cannot stand below itself."})
            ancestor = ancestor.parent


class Tag(models.Model):
    """A word that articles are found by."""

    name = models.CharField(max_length=60)
    slug = models.CharField(max_length=SLUG_LENGTH, validators=[validate_unicode_slug])

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["slug"], name="articles_tag_slug")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("articles:tag", args=[self.slug])


class State(models.TextChoices):
    """Where an article is on its way to its readers."""

    DRAFT = "draft", "Draft"
    IN_REVIEW = "in_review", "In review"
    SCHEDULED = "scheduled", "Scheduled"
    PUBLISHED = "published", "Published"
    ARCHIVED = "archived", "Archived"


class Visibility(models.TextChoices):
    """Who reads an article once it is published."""

    PUBLIC = "public", "Everybody"
    MEMBERS = "members", "Members, who are logged in"


class ArticleQuerySet(models.QuerySet["Article"]):
    def published(self) -> Self:
        """What is published, newest first. Who may read which of it, `permissions` says."""
        return self.filter(state=State.PUBLISHED).order_by("-published_at", "-id")

    def due(self) -> Self:
        """Scheduled articles whose time has come."""
        return self.filter(state=State.SCHEDULED, scheduled_for__lte=timezone.now())

    def written_by(self, user: "User") -> Self:
        return self.filter(author=user)

    def for_list(self) -> Self:
        """With what a list shows of each, and without the text that it does not."""
        return self.select_related("author", "category", "cover").defer("body")

    def for_page(self) -> Self:
        return self.select_related("author__role", "category", "cover").prefetch_related("tags")


class Article(models.Model):
    """A text in Markdown on its way from draft to reader.

    Each step keeps when and by whom; `publishing` and `writing` hold the verbs.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=200)
    slug = models.CharField(max_length=SLUG_LENGTH, validators=[validate_unicode_slug])
    excerpt = models.CharField(
        max_length=300,
        blank=True,
        help_text="One or two sentences for lists and search results. "
        "Left empty, it is made from the text.",
    )
    # Made from the text, for where the excerpt is empty; NULL where the text is older than this is.
    made_excerpt = models.CharField(max_length=300, null=True, editable=False)
    body = models.TextField("text", blank=True, help_text="Markdown.")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="articles"
    )
    category = models.ForeignKey(
        Category, null=True, blank=True, on_delete=models.SET_NULL, related_name="articles"
    )
    tags = models.ManyToManyField(Tag, blank=True, related_name="articles")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT, editable=False)
    visibility = models.CharField(
        "who reads it",
        max_length=10,
        choices=Visibility,
        default=Visibility.PUBLIC,
        db_default=Visibility.PUBLIC,
    )
    cover = models.ForeignKey(
        "articles.Picture",
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    # Counted up by each change, so that two people who edit at once cannot overwrite each other
    # unseen.
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    scheduled_for = models.DateTimeField(null=True, editable=False)
    scheduled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    published_at = models.DateTimeField(null=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    archived_at = models.DateTimeField(null=True, editable=False)
    archived_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    objects = ArticleQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["slug"],
                name="articles_article_slug",
                violation_error_message="Another article has this address already.",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=State.PUBLISHED) | models.Q(published_at__isnull=False),
                name="articles_article_published_has_a_date",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=State.SCHEDULED) | models.Q(scheduled_for__isnull=False),
                name="articles_article_scheduled_has_a_date",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-published_at", "-id"],
                condition=models.Q(state=State.PUBLISHED),
                name="articles_article_published",
            ),
            # The list of a category, and how much each has: read off the index alone.
            models.Index(
                fields=["category", "-published_at", "-id"],
                include=["visibility"],
                condition=models.Q(state=State.PUBLISHED),
                name="articles_article_of_category",
            ),
            models.Index(
                fields=["scheduled_for"],
                condition=models.Q(state=State.SCHEDULED),
                name="articles_article_due",
            ),
            models.Index(fields=["-updated_at", "-id"], name="articles_article_recent"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("articles:article", args=[self.slug])

    @property
    def is_published(self) -> bool:
        return self.state == State.PUBLISHED

    @property
    def is_for_members(self) -> bool:
        return self.visibility == Visibility.MEMBERS

    @property
    def summary(self) -> str:
        """The excerpt, or the first words of the text where nobody has written one."""
        return self.excerpt or self.made_excerpt or ""

    @property
    def reading_minutes(self) -> int:
        """At 200 words a minute, and never none."""
        return max(1, round(len(self.body.split()) / 200))
