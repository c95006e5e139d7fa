from typing import Any

from django.db import models
from django.utils import timezone


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
