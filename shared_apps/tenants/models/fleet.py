"""The ledger of the fleet: which schema came to which release, when, and what stopped it."""

from django.db import models

from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models.tenants import Tenant


class FleetRun(models.Model):
    """One `migrate` over the fleet. While `finished_at` is empty it is under way, or was killed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    release = models.CharField(max_length=64)
    target = models.CharField(max_length=160)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    planned = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    stopped_because = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.target} at {self.started_at:%Y-%m-%d %H:%M}"


class FleetState(models.TextChoices):
    """How far one schema is."""

    PENDING = "pending", "Waiting"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class FleetMigration(models.Model):
    """One schema on its way to one release.

    What is applied stands in the schema's own `django_migrations`; this row says how it went.
    `half_done` counts the statements done of a migration that is not atomic, so that a second try
    goes on behind them.
    """

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(FleetRun, on_delete=models.CASCADE, related_name="migrations")
    schema_name = models.CharField(max_length=63)
    tenant = models.ForeignKey(
        Tenant, null=True, on_delete=models.SET_NULL, related_name="fleet_migrations"
    )
    release = models.CharField(max_length=64)
    state = models.CharField(
        max_length=8, choices=FleetState, default=FleetState.PENDING, db_index=True
    )
    is_canary = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    milliseconds = models.PositiveIntegerField(null=True)
    error = models.TextField(blank=True)
    half_done = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["schema_name", "release"], name="tenants_fleetmigration_once_a_release"
            )
        ]

    def __str__(self) -> str:
        return f"{self.schema_name} {self.state}"
