"""The public schema's rows of a tenant's life: its names, its copies, its end."""

from datetime import datetime

from django.db import models

from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models.tenants import Tenant


class NameChange(models.Model):
    """A tenant's subdomain became another one: who did it, when and why.

    The old name stays a row among the domains, which leads to the new one.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="name_changes")
    before = models.CharField(max_length=40)
    after = models.CharField(max_length=40)
    reason = models.TextField()
    by = models.CharField(max_length=254, help_text="An operator's e-mail address, or the process.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


class Cloning(models.Model):
    """A wish for a copy of a tenant, known by its request id, and how far it has come.

    `tenant` is set in the transaction that makes it; `finished_at` when its files are there too and
    it is open. `error` says why it ended without a copy.
    """

    request_id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="clonings")
    tenant = models.OneToOneField(
        Tenant, null=True, on_delete=models.CASCADE, related_name="cloned_by"
    )
    name = models.CharField(max_length=100)
    subdomain = models.CharField(max_length=40)
    # With the source's rows and files, or with its settings alone.
    with_data = models.BooleanField()
    owner_email = models.EmailField(max_length=254, blank=True)
    owner_full_name = models.CharField(max_length=150, blank=True)
    reason = models.TextField()
    by = models.CharField(max_length=254, help_text="An operator's e-mail address, or the process.")
    error = models.TextField(blank=True)
    began_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-began_at"]

    def __str__(self) -> str:
        return f"{self.source_id} → {self.subdomain}"


class Erasure(models.Model):
    """The end of a tenant: wished for, due, begun, finished, or called off. The row stays for ever.

    When it is finished, `certificate` says what was removed (certificates.py has its words).
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="erasures")
    reason = models.TextField()
    by = models.CharField(max_length=254, help_text="An operator's e-mail address, or the process.")
    scheduled_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(db_index=True)
    cancelled_at = models.DateTimeField(null=True)
    began_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    certificate = models.JSONField(null=True)

    class Meta:
        ordering = ["-scheduled_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(cancelled_at=None),
                name="tenants_erasure_one_a_tenant",
            )
        ]

    def __str__(self) -> str:
        return f"Erasure of {self.tenant_id}"

    def is_due(self, now: datetime) -> bool:
        """Whether the day has come."""
        return self.cancelled_at is None and self.due_at <= now


class ErasureStep(models.Model):
    """One step of an erasure that is done: when, and what it found or removed."""

    erasure = models.ForeignKey(Erasure, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=20)
    place = models.PositiveSmallIntegerField()
    result = models.JSONField(default=dict)
    done_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["erasure", "name"], name="tenants_erasurestep_once")
        ]

    def __str__(self) -> str:
        return self.name
