"""Articles that came from another system: the file, what became of it, and what leads here since."""

from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from shared_apps.tenants.keys import uuid7
from tenant_apps.articles.models.articles import Article, Category, Tag
from tenant_apps.articles.models.pictures import Picture

ADDRESS_LENGTH = 500
PICTURE_ADDRESS_LENGTH = 1_000


class System(models.TextChoices):
    """Where a file came from."""

    WORDPRESS = "wordpress", "WordPress"
    GHOST = "ghost", "Ghost"


class MoveState(models.TextChoices):
    """Where a move is."""

    CHECKING = "checking", "Being checked"
    CHECKED = "checked", "Checked"
    TAKING = "taking", "Taking articles over"
    FETCHING = "fetching", "Fetching pictures"
    DONE = "done", "Done"
    REFUSED = "refused", "Not taken"
    FAILED = "failed", "Stopped by an error"


WORKING = frozenset({MoveState.CHECKING, MoveState.TAKING, MoveState.FETCHING})


class Move(models.Model):
    """One file of another system: first looked through, then taken over."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    system = models.CharField(max_length=10, choices=System)
    file_name = models.CharField(max_length=255)
    file_bytes = models.PositiveBigIntegerField()
    # In the tenant's folder, until the move has ended.
    stored = models.CharField(max_length=100, blank=True)
    # Of the site: its articles' keys mean something there alone.
    site = models.CharField(max_length=200, blank=True)
    # Where its pictures are, as whoever sent it says: Ghost's file does not.
    site_address = models.CharField(max_length=200, blank=True, default="", db_default="")
    state = models.CharField(max_length=8, choices=MoveState, default=MoveState.CHECKING)
    with_pictures = models.BooleanField(default=True)
    # Figures: what the file has, what was taken. `moves` says which.
    report = models.JSONField(default=dict)
    # Why it was not taken, or stopped; a sentence.
    refusal = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    checked_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    # The last sign of life of whoever works on it.
    worked_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two at once would make the same categories and writers twice.
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(state__in=["taking", "fetching"]),
                name="articles_move_one_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("articles:move", args=[self.pk])

    @property
    def is_working(self) -> bool:
        return self.state in WORKING


class LeftOut(models.Model):
    """Something of a file that was not taken over, or not as it was, and why."""

    move = models.ForeignKey(Move, on_delete=models.CASCADE, related_name="left_out")
    what = models.CharField(max_length=40)
    title = models.CharField(max_length=300, blank=True)
    why = models.CharField(max_length=500)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.what}: {self.title}"


class MovedArticle(models.Model):
    """Which article here one of another system is: a second file makes nothing twice."""

    system = models.CharField(max_length=10, choices=System)
    site = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=200)
    article = models.ForeignKey(Article, on_delete=models.CASCADE, related_name="moved_from")
    move = models.ForeignKey(Move, null=True, on_delete=models.SET_NULL, related_name="articles")
    # The address of the picture above it there, until it is fetched, or can't be.
    image_url = models.CharField(max_length=PICTURE_ADDRESS_LENGTH, blank=True)
    pictures_done = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["system", "site", "key"], name="articles_movedarticle_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.system} {self.key}"


class MovedAddress(models.Model):
    """An address of the other site: path, and query where it has one. Whoever comes by it is led on,
    where there is no page of that address."""

    address = models.CharField(max_length=ADDRESS_LENGTH)
    article = models.ForeignKey(
        Article, null=True, on_delete=models.CASCADE, related_name="moved_addresses"
    )
    category = models.ForeignKey(Category, null=True, on_delete=models.CASCADE, related_name="+")
    tag = models.ForeignKey(Tag, null=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        verbose_name_plural = "moved addresses"
        constraints = [
            models.UniqueConstraint(fields=["address"], name="articles_movedaddress_address")
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def target(self) -> Any:
        return self.article or self.category or self.tag


class MovedPicture(models.Model):
    """Which picture here one of the other site is: none is fetched twice."""

    url = models.CharField(max_length=PICTURE_ADDRESS_LENGTH)
    picture = models.ForeignKey(Picture, on_delete=models.CASCADE, related_name="moved_from")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["url"], name="articles_movedpicture_url")]

    def __str__(self) -> str:
        return self.url
