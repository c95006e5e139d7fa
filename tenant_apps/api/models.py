from django.db import models
from django.utils import timezone


class KeptAnswer(models.Model):
    """What a person's client asked for under an Idempotency-Key, and what it was answered.

    The person is copied, not referenced: this stands below the app that knows people.
    """

    person_id = models.UUIDField()
    key = models.CharField(max_length=255)
    # Of method, address and body: a key that stands on something else is refused.
    fingerprint = models.CharField(max_length=64)
    # 0 until the work is done, which nobody but the request itself sees.
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["person_id", "key"], name="api_keptanswer_key")
        ]
        indexes = [models.Index(fields=["created_at"], name="api_keptanswer_created_at")]

    def __str__(self) -> str:
        return f"{self.key}: {self.status}"
