"""A customer's wish for a workspace, and how far it has come."""

from datetime import datetime

from django.db import models

from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models.tenants import Tenant


class ProvisioningState(models.TextChoices):
    """How far a provisioning is."""

    PENDING = "pending", "Waiting"
    PROVISIONING = "provisioning", "Being made"
    ACTIVE = "active", "Ready"
    FAILED = "failed", "Failed"


class Step(models.TextChoices):
    """The steps in their order, in the words of the progress page."""

    RESERVE = "reserve", "Keep your address"
    SCHEMA = "schema", "Build your own database schema"
    CLAIM = "claim", "Move in: your account and first settings"
    OPEN = "open", "Open the door"


class StepState(models.TextChoices):
    """How far one step is."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    UNDONE = "undone", "Undone"


class Provisioning(models.Model):
    """One wish for a workspace, known by the request id that its form carried.

    While it is under way nobody else can take its subdomain. When it has failed the name is free
    again; when it is active the tenant's row keeps it for ever. The owner's password hash is
    wiped when it has moved to the tenant's schema.
    """

    request_id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(
        max_length=12, choices=ProvisioningState, default=ProvisioningState.PENDING
    )
    name = models.CharField(max_length=100)
    subdomain = models.CharField(max_length=40)
    owner_email = models.EmailField(max_length=254, blank=True)
    owner_full_name = models.CharField(max_length=150, blank=True)
    owner_password_hash = models.CharField(max_length=128, blank=True)
    tenant = models.OneToOneField(
        Tenant, null=True, on_delete=models.SET_NULL, related_name="provisioning"
    )
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Until then the process that works on it is left alone; afterwards another one continues.
    lease_until = models.DateTimeField(db_index=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["subdomain"],
                condition=models.Q(
                    state__in=[ProvisioningState.PENDING, ProvisioningState.PROVISIONING]
                ),
                name="tenants_provisioning_one_a_name",
            )
        ]

    def __str__(self) -> str:
        return f"{self.subdomain}: {self.get_state_display()}"

    def is_finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in {ProvisioningState.ACTIVE, ProvisioningState.FAILED}

    def is_leased(self, now: datetime) -> bool:
        """Whether a process is at work on it."""
        return not self.is_finished() and self.lease_until > now


class ProvisioningStep(models.Model):
    """One step of a provisioning: what came of it, when, and how long it took."""

    provisioning = models.ForeignKey(Provisioning, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=12, choices=Step)
    place = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=8, choices=StepState, default=StepState.WAITING)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    milliseconds = models.PositiveIntegerField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(
                fields=["provisioning", "name"], name="tenants_provisioningstep_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
