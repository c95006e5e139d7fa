"""What an article's words were, and what its writers have typed and not saved yet."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from tenant_apps.articles.models.articles import Article

TAGS_LENGTH = 300
# What a revision keeps of an article.
WORDS = ("title", "excerpt", "body")


class Revision(models.Model):
    """An article's words as somebody saved them. Written once, never changed.

    `number` is the article's version that they made. A change of something else (its address, its
    category) counts the version up and leaves no revision: the trail has it.
    """

    article = models.ForeignKey(
        Article, on_delete=models.CASCADE, related_name="revisions", db_index=False
    )
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    excerpt = models.CharField(max_length=300, blank=True)
    body = models.TextField(blank=True)
    saved_at = models.DateTimeField(default=timezone.now)
    # None where the person is gone, or the words are older than revisions are.
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    # The number of the revision whose words came back.
    restored_from = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            # Its index serves the history of one article too.
            models.UniqueConstraint(
                fields=["article", "number"], name="articles_revision_article_number"
            )
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.number})"

    def get_absolute_url(self) -> str:
        return reverse("articles:revision", args=[self.article_id, self.number])


class KeptWords(models.Model):
    """What one writer has typed and not saved: kept every few seconds, and where a save was refused
    since somebody else's came first. A writer has one for each article, and one for an article that is
    yet to begin.
    """

    article = models.ForeignKey(
        Article, null=True, on_delete=models.CASCADE, related_name="kept_words", db_index=False
    )
    writer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    # The article's version that the writer began from; 0 for an article that is yet to begin.
    base_version = models.PositiveIntegerField(default=0)
    title = models.CharField(max_length=200, blank=True)
    excerpt = models.CharField(max_length=300, blank=True)
    body = models.TextField(blank=True)
    tags = models.CharField(max_length=TAGS_LENGTH, blank=True)
    kept_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "kept words"
        ordering = ["-kept_at", "-id"]
        constraints = [
            # Also the index of a writer's own; the second one for the article that has no key yet.
            models.UniqueConstraint(
                fields=["article", "writer"], name="articles_keptwords_article_writer"
            ),
            models.UniqueConstraint(
                fields=["writer"],
                condition=models.Q(article=None),
                name="articles_keptwords_new_article",
            ),
        ]

    def __str__(self) -> str:
        return self.title or "Unsaved words"

    def is_of(self, article: Article) -> bool:
        """Whether the article's words are these."""
        return all(getattr(self, name) == getattr(article, name) for name in WORDS)
