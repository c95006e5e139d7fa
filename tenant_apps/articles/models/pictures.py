"""Pictures that articles show."""

from typing import Final

from django.conf import settings
from django.db import models
from django.utils import timezone

from shared_apps.tenants.keys import uuid7

# Widths in pixels that each picture is made in, where it is that wide itself.
WIDTHS: Final = (480, 960, 1600)


class PictureState(models.TextChoices):
    """Where a picture is on its way to readers."""

    WAITING = "waiting", "Being made"
    READY = "ready", "Ready"
    FAILED = "failed", "Not a picture after all"


class Picture(models.Model):
    """A picture that somebody has put in. What readers get are copies in WebP, made by a task, without
    anything that stood in the file besides the picture."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The file as it came, until the copies are made.
    incoming = models.CharField(max_length=100, blank=True)
    file_name = models.CharField(max_length=200, blank=True)
    alt = models.CharField(
        "description",
        max_length=200,
        blank=True,
        help_text="What it shows, for those who can't see it.",
    )
    state = models.CharField(max_length=8, choices=PictureState, default=PictureState.WAITING)
    # Why it failed; a sentence.
    failure = models.CharField(max_length=200, blank=True)
    # In pixels, of the largest copy.
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    added_at = models.DateTimeField(default=timezone.now)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.alt or self.file_name or str(self.id)

    @property
    def is_ready(self) -> bool:
        return self.state == PictureState.READY

    @property
    def widths(self) -> list[int]:
        """The widths of its copies, the smallest first."""
        return [width for width in WIDTHS if width < self.width] + [self.width]

    def file_of(self, width: int) -> str:
        """The name of the copy of this width, in the tenant's folder."""
        return f"pictures/{self.pk.hex}-{width}.webp"

    @property
    def url(self) -> str:
        """The address of the largest copy."""
        return f"{settings.MEDIA_URL}{self.file_of(self.width)}"

    @property
    def small_url(self) -> str:
        """The address of the smallest copy, for lists."""
        return f"{settings.MEDIA_URL}{self.file_of(self.widths[0])}"

    @property
    def srcset(self) -> str:
        """All copies, for an img element."""
        return ", ".join(
            f"{settings.MEDIA_URL}{self.file_of(width)} {width}w" for width in self.widths
        )

    @property
    def markdown(self) -> str:
        """How an article's text shows it."""
        alt = self.alt.replace("\\", "").replace("[", "(").replace("]", ")")
        return f"![{alt}]({self.url})"
