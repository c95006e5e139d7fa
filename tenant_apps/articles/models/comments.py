"""What readers say to articles."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from shared_apps.tenants.keys import uuid7
from tenant_apps.articles.models.articles import Article

COMMENT_LENGTH = 5_000


class CommentState(models.TextChoices):
    """Where a comment is: only approved ones are shown."""

    PENDING = "pending", "Waiting"
    APPROVED = "approved", "Shown"
    REJECTED = "rejected", "Rejected"
    # It has answers, which would hang in the air: its place is shown, its words are gone.
    REMOVED = "removed", "Removed"


class CommentQuerySet(models.QuerySet["Comment"]):
    def shown(self) -> "CommentQuerySet":
        """What readers see, the places of removed ones too."""
        return self.filter(state__in=[CommentState.APPROVED, CommentState.REMOVED])

    def pending(self) -> "CommentQuerySet":
        return self.filter(state=CommentState.PENDING)


class Comment(models.Model):
    """What somebody says to an article, or to another comment on it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    article = models.ForeignKey(
        Article, on_delete=models.CASCADE, related_name="comments", db_index=False
    )
    # The comment that began the thread; a thread is read in one query.
    thread = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="thread_comments"
    )
    answers = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="replies")
    depth = models.PositiveSmallIntegerField(default=0)
    # A member; visitors give a name and an address, which is shown to moderators alone.
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="comments"
    )
    name = models.CharField(max_length=80)
    email = models.EmailField("e-mail address", max_length=254, blank=True)
    body = models.TextField("comment", blank=True)
    # Where it came from, hashed: enough to see a flood, too little to find anybody.
    sender = models.CharField(max_length=64)
    state = models.CharField(
        max_length=8, choices=CommentState, default=CommentState.PENDING, editable=False
    )
    made_at = models.DateTimeField(default=timezone.now, editable=False)
    moderated_at = models.DateTimeField(null=True, editable=False)
    moderated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    objects = CommentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["article", "thread", "id"], name="articles_comment_article"),
            models.Index(fields=["sender", "made_at"], name="articles_comment_sender"),
            models.Index(
                fields=["id"],
                condition=models.Q(state=CommentState.PENDING),
                name="articles_comment_pending",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.body[:60]}"

    def get_absolute_url(self) -> str:
        return f"{reverse('articles:article', args=[self.article.slug])}#comment-{self.pk}"

    @property
    def is_removed(self) -> bool:
        return self.state == CommentState.REMOVED
