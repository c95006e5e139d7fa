"""How far periodic work has been dispatched."""

from django.db import models


class PeriodicRun(models.Model):
    """One periodic task: every slot up to `dispatched_until` has been published."""

    task = models.CharField(max_length=255, unique=True)
    dispatched_until = models.DateTimeField()

    class Meta:
        app_label = "tenants"
        ordering = ["task"]

    def __str__(self) -> str:
        return f"{self.task} until {self.dispatched_until:%Y-%m-%d %H:%M:%S}"
