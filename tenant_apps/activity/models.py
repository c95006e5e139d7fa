from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.urls import reverse
from django.utils import timezone

from shared_apps.tenants.keys import uuid7


class EntryQuerySet(models.QuerySet["Entry"]):
    def about(self, subject: models.Model) -> "EntryQuerySet":
        return self.filter(object_type=subject._meta.label_lower, object_id=str(subject.pk))


class Entry(models.Model):
    """One line of the audit trail. Written once, never changed.

    Actor and object are copied, not referenced: the trail stays when they are gone.
    """

    at = models.DateTimeField("when", default=timezone.now)
    verb = models.CharField("what", max_length=60)
    actor_id = models.UUIDField(null=True)
    actor_email = models.CharField("who", max_length=254, blank=True)
    object_type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=40)
    object_label = models.CharField("on", max_length=200)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    ip_address = models.GenericIPAddressField("from", null=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "entries"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="activity_entry_object")
        ]

    def __str__(self) -> str:
        return f"{self.verb}: {self.object_label}"

    @property
    def changes(self) -> list[tuple[str, Any, Any]]:
        """What changed, as (field, before, after), by the fields' names."""
        names = sorted({*self.before, *self.after})
        return [(name, self.before.get(name), self.after.get(name)) for name in names]


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def on(self) -> "WebhookEndpointQuerySet":
        return self.filter(switched_off_at=None)

    def wanting(self, event_type: str) -> "WebhookEndpointQuerySet":
        return self.on().filter(event_types__contains=[event_type])


class WebhookEndpoint(models.Model):
    """An address that events are sent to."""

    class OffReason(models.TextChoices):
        BY_HAND = "by_hand", "Switched off by hand"
        GONE = "gone", "It answered 410 Gone"
        FAILING = "failing", "It failed for five days in a row"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    url = models.CharField("address", max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    event_types = ArrayField(models.CharField(max_length=60), default=list)
    # Encrypted by `encryption.encrypt_text`. The one before counts until its time is over.
    secret = models.TextField(editable=False)
    former_secret = models.TextField(blank=True, editable=False)
    former_secret_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    switched_off_at = models.DateTimeField(null=True, editable=False)
    switched_off_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    off_reason = models.CharField(
        max_length=10, choices=OffReason, blank=True, default="", editable=False
    )
    # The first failure since the last success.
    failing_since = models.DateTimeField(null=True, editable=False)
    # A worker is at it, or it rests after a failure: nobody else calls it before.
    busy_until = models.DateTimeField(null=True, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    # Written by being used, not by being changed (tenant_apps/api/lost_updates.py).
    NO_CHANGE: ClassVar[frozenset[str]] = frozenset({"failing_since", "busy_until"})

    class Meta:
        verbose_name = "webhook"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.description or self.url

    def get_absolute_url(self) -> str:
        return reverse("activity:webhook", args=[self.pk])

    @property
    def is_on(self) -> bool:
        return self.switched_off_at is None

    @property
    def state(self) -> str:
        if not self.is_on:
            return "off"
        return "failing" if self.failing_since else "on"


class WebhookEvent(models.Model):
    """Something that happened and that an endpoint wanted to know, written with what happened.

    Its key is the header `webhook-id`: the same however often it is sent.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    type = models.CharField(max_length=60)
    happened_at = models.DateTimeField(default=timezone.now)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint, and how the last attempt went."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(
        max_length=10, choices=DeliveryState, default=DeliveryState.WAITING, editable=False
    )
    # Since it was written, or last replayed. Counted before it is sent.
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(default=timezone.now, editable=False)
    last_attempt_at = models.DateTimeField(null=True, editable=False)
    duration_ms = models.PositiveIntegerField(null=True, editable=False)
    response_status = models.PositiveSmallIntegerField(null=True, editable=False)
    # The first kilobyte, as text.
    response_body = models.TextField(blank=True, editable=False)
    failure = models.CharField("what went wrong", max_length=500, blank=True, editable=False)
    delivered_at = models.DateTimeField(null=True, editable=False)
    replayed_at = models.DateTimeField(null=True, editable=False)
    replayed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "endpoint"], name="activity_delivery_once_each"
            )
        ]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="activity_delivery_log"),
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=models.Q(state="waiting"),
                name="activity_delivery_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event.type} to {self.endpoint}"

    def get_absolute_url(self) -> str:
        return reverse("activity:delivery", args=[self.pk])


class Channel(models.TextChoices):
    PAGE = "page", "In the page"
    MAIL = "mail", "By mail"
    BOTH = "both", "In the page and by mail"
    NONE = "none", "Not at all"


class NotificationQuerySet(models.QuerySet["Notification"]):
    def shown_to(self, person: AbstractBaseUser) -> "NotificationQuerySet":
        return self.filter(person_id=person.pk, is_shown=True)

    def unread(self) -> "NotificationQuerySet":
        return self.filter(read_at=None, is_shown=True)

    def to_mail(self) -> "NotificationQuerySet":
        return self.exclude(mail="").filter(mailed_at=None)


class Notification(models.Model):
    """One sentence for one person: what happened, and where it is."""

    class Mail(models.TextChoices):
        NO = "", "No mail"
        AT_ONCE = "at_once", "At once"
        DAILY = "daily", "Once a day"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="notifications",
        db_index=False,
    )
    kind = models.CharField(max_length=40)
    sentence = models.CharField(max_length=300)
    # Within the workspace: it begins with one slash.
    path = models.CharField(max_length=500)
    made_at = models.DateTimeField(default=timezone.now)
    # As the person had chosen when it was made.
    is_shown = models.BooleanField(default=True)
    mail = models.CharField(max_length=10, choices=Mail, blank=True, default=Mail.NO)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["person", "-id"], name="activity_notification_list"),
            models.Index(
                fields=["person"],
                condition=models.Q(read_at=None, is_shown=True),
                name="activity_notification_unread",
            ),
            models.Index(
                fields=["person"],
                condition=models.Q(mailed_at=None) & ~models.Q(mail=""),
                name="activity_notification_to_mail",
            ),
        ]

    def __str__(self) -> str:
        return self.sentence


class NotificationChoices(models.Model):
    """How one person wants to be told; who has no row has chosen nothing."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="notification_choices",
    )
    # Kind → channel; what is not in it is as the kind says.
    channels = models.JSONField(default=dict)
    # Mails once a day, not at once.
    daily = models.BooleanField(default=False)
    last_digest_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "notification choices"

    def __str__(self) -> str:
        return f"Choices of {self.person_id}"
