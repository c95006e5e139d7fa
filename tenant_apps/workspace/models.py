import re
import zoneinfo
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from shared_apps.tenants.keys import uuid7
from tenant_apps.api.cross_origin import check_origin

# What ends a line, or steers a terminal or a mail program.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            f'"{name}" is not a time zone. Take one as "Europe/Berlin" or "UTC".', code="time_zone"
        )


def check_language(code: str) -> None:
    if code not in dict(settings.LANGUAGES):
        raise ValidationError(f'"{code}" is not one of the languages offered.', code="language")


def check_one_line(text: str) -> None:
    """Refuse what would end a line: in a header of a mail, more headers could follow (RFC 5322
    section 2.2)."""
    if _CONTROL.search(text):
        raise ValidationError("Write it in one line, without control characters.", code="one_line")


class Workspace(models.Model):
    """What the tenant says of itself. One row, which the seeder makes."""

    # Always 1: a second row would have the same key.
    id = models.BigIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=100)
    tagline = models.CharField(max_length=160, blank=True)
    language = models.CharField(max_length=10, default="en", validators=[check_language])
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    currency = models.CharField(
        max_length=3,
        default="EUR",
        validators=[RegexValidator(r"\A[A-Z]{3}\Z", "Three capital letters, as EUR (ISO 4217).")],
        help_text="Three letters, as EUR (ISO 4217). Prices keep their number when it changes.",
    )
    signup_open = models.BooleanField(
        "visitors may sign up",
        default=False,
        help_text="Otherwise people join by invitation alone.",
    )
    api_origins = ArrayField(
        models.CharField(max_length=100, validators=[check_origin]),
        verbose_name="sites that may use the API from a browser",
        default=list,
        db_default=[],
        blank=True,
        size=20,
        help_text="Origins with commas between them, as https://shop.example.com. Empty: none may.",
    )
    mail_from_name = models.CharField(
        "letters come from",
        max_length=64,
        blank=True,
        db_default="",
        validators=[check_one_line],
        help_text="The name before the address, which stays the platform's. Empty: the workspace's.",
    )
    mail_reply_to = models.EmailField(
        "answers go to",
        blank=True,
        db_default="",
        help_text="Whoever answers a letter writes to this address. Empty: nobody reads answers.",
    )
    # While closed, visitors read the message alone. Who closed it: no foreign key, since this row goes
    # into copies of the tenant that have none of its people.
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    closed_by = models.CharField(max_length=254, blank=True, db_default="", editable=False)
    closed_message = models.TextField(
        max_length=1000, blank=True, db_default="", editable=False, verbose_name="message"
    )
    closed_until = models.DateTimeField(null=True, blank=True, editable=False)
    # What visitors see, as `look.Look` reads it; nothing is the house's own.
    look = models.JSONField(null=True, blank=True, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "workspace"
        verbose_name_plural = "workspace"
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="workspace_workspace_one_row")
        ]

    def __str__(self) -> str:
        return self.name

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refused: a tenant without this row has no name."""
        raise ValidationError("A workspace's settings can be changed, not deleted.")


class LookDraft(models.Model):
    """A look that its makers alone see, until somebody publishes it. One row, or none."""

    # Always 1, as the workspace's.
    id = models.BigIntegerField(primary_key=True, default=1, editable=False)
    look = models.JSONField()
    began_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="workspace_lookdraft_one_row")
        ]

    def __str__(self) -> str:
        return f"draft of {self.began_at:%Y-%m-%d %H:%M}"


class LookRelease(models.Model):
    """A look that was published: what it was, when, by whom."""

    look = models.JSONField()
    # The version in the stylesheet's address: pages that were made before the next one still find it.
    style = models.CharField(max_length=12, blank=True, db_index=True)
    published_at = models.DateTimeField(default=timezone.now)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"look of {self.published_at:%Y-%m-%d %H:%M}"


class TakeOutState(models.TextChoices):
    """Where a take-out is."""

    WORKING = "working", "Being made"
    READY = "ready", "Ready"
    FAILED = "failed", "Stopped by an error"
    EXPIRED = "expired", "Expired"


class TakeOut(models.Model):
    """All of the workspace's data in one file, for its owners: who asked, how far it is, until when."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(max_length=8, choices=TakeOutState, default=TakeOutState.WORKING)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    started_at = models.DateTimeField(null=True)
    # Progress: what is being written, how many rows and files are.
    part = models.CharField(max_length=200, blank=True)
    rows = models.PositiveBigIntegerField(default=0)
    files = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    # Why it failed; a sentence.
    failure = models.TextField(blank=True)

    class Meta:
        ordering = ["-requested_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"],
                condition=models.Q(state="working"),
                name="workspace_takeout_one_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"take-out of {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def is_working(self) -> bool:
        return self.state == TakeOutState.WORKING

    @property
    def can_be_downloaded(self) -> bool:
        in_time = self.expires_at is not None and self.expires_at > timezone.now()
        return self.state == TakeOutState.READY and in_time


class DayFigures(models.Model):
    """What one day was like, by the workspace's own clock: counted when it was over.

    NULL is what nobody can know any more of a day that was counted late: what was in stock then.
    """

    day = models.DateField()
    counted_at = models.DateTimeField(default=timezone.now)
    views = models.PositiveBigIntegerField()
    published = models.PositiveIntegerField()
    comments = models.PositiveIntegerField()
    # [article, how often it was opened], the most first.
    best = models.JSONField(default=list)
    joined = models.PositiveIntegerField()
    seen = models.PositiveIntegerField(null=True)
    people = models.PositiveIntegerField(null=True)
    subscribers_new = models.PositiveIntegerField()
    subscribers_left = models.PositiveIntegerField(null=True)
    subscribers = models.PositiveIntegerField(null=True)
    reviews = models.PositiveIntegerField()
    stars = models.PositiveIntegerField()
    on_sale = models.PositiveIntegerField(null=True)
    pieces = models.PositiveBigIntegerField(null=True)
    # In minor units of the currency that the workspace had.
    value_minor = models.PositiveBigIntegerField(null=True)
    out_of_stock = models.PositiveIntegerField(null=True)
    came = models.PositiveBigIntegerField()
    went = models.PositiveBigIntegerField()

    class Meta:
        verbose_name_plural = "figures of days"
        constraints = [models.UniqueConstraint(fields=["day"], name="workspace_dayfigures_day")]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"


class OwnChoices(models.Model):
    """What one person wants of the dashboard."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    # Since when the report of each day is mailed to them; NULL: it is not.
    report_since = models.DateTimeField(null=True)
    # When they put the first steps away.
    steps_closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "own choices"

    def __str__(self) -> str:
        return str(self.person_id)


class ReportLetter(models.Model):
    """The report of one day to one person: claimed by one worker, then sent."""

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    day = models.DateField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "day"], name="workspace_reportletter_once")
        ]

    def __str__(self) -> str:
        return f"{self.person_id} {self.day}"
