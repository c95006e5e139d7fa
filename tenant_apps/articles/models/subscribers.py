"""Who gets a letter when an article is published, and which letters went out."""

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from shared_apps.tenants.keys import uuid7
from tenant_apps.articles.models.articles import Article
from tenant_apps.users.models import LowercaseEmailField


class SubscriberQuerySet(models.QuerySet["Subscriber"]):
    def confirmed(self) -> "SubscriberQuerySet":
        """Those who said yes in their own mailbox."""
        return self.filter(confirmed_at__isnull=False)


class Subscriber(models.Model):
    """An address that asked for letters. Who leaves is deleted: nothing is kept of them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = LowercaseEmailField("e-mail address", max_length=254)
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    # SHA-256 of the token in the newest letter; the token itself is nowhere but in that letter.
    token_hash = models.CharField(max_length=64, null=True, editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)
    # Where it was asked for, hashed: enough to see a flood.
    sender = models.CharField(max_length=64, editable=False)

    objects = SubscriberQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["email"], name="articles_subscriber_email"),
            models.UniqueConstraint(fields=["token_hash"], name="articles_subscriber_token"),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="articles_subscriber_lower_case"
            ),
        ]
        indexes = [
            models.Index(fields=["sender", "asked_at"], name="articles_subscriber_sender"),
        ]

    def __str__(self) -> str:
        return str(self.email)


class Announcement(models.Model):
    """That an article was published for the first time, to be told to subscribers: once."""

    article = models.OneToOneField(Article, on_delete=models.CASCADE, related_name="announcement")
    made_at = models.DateTimeField(default=timezone.now)
    # When every subscriber of that moment had a row below.
    listed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-made_at", "-id"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(finished_at=None),
                name="articles_announcement_open",
            )
        ]

    def __str__(self) -> str:
        return str(self.article)


class Delivery(models.Model):
    """One letter to one subscriber. It is claimed before it is sent: a worker that dies in between
    leaves it claimed, and it is not sent a second time."""

    announcement = models.ForeignKey(
        Announcement, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="deliveries")
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    # How often the mail server has refused it.
    refusals = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["announcement", "subscriber"], name="articles_delivery_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["announcement", "id"],
                condition=models.Q(claimed_at=None),
                name="articles_delivery_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.announcement_id} to {self.subscriber_id}"
