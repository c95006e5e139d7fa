"""The public schema's row of each tenant."""

from typing import Any
from uuid import UUID

from django.db import models
from django.utils.functional import cached_property
from django_tenants.models import TenantMixin

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.keys import new_schema_name, uuid7


class Status(models.TextChoices):
    """What a tenant may do now. Changes of it are rows (StatusChange)."""

    PROVISIONING = "provisioning", "Being made"
    TRIAL = "trial", "Trial"
    ACTIVE = "active", "Active"
    READ_ONLY = "read_only", "Read-only"
    MAINTENANCE = "maintenance", "Maintenance"
    SUSPENDED = "suspended", "Suspended"
    ARCHIVED = "archived", "Archived"
    ERASURE_SCHEDULED = "erasure_scheduled", "Scheduled for erasure"
    ERASED = "erased", "Erased"
    # Not a customer: a backup that its owner looks at (archive/undo.py).
    PREVIEW = "preview", "Preview of a backup"


# Whose pages are served, as plain words: each request asks.
SERVED = frozenset({Status.TRIAL.value, Status.ACTIVE.value, Status.READ_ONLY.value})


class Tenant(TenantMixin):  # type: ignore[misc]
    """A customer organisation: a schema, a role, hostnames.

    The row outlives the schema: an erased tenant's names are never given to another.
    """

    auto_create_schema = False
    auto_drop_schema = False

    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField(unique=True, default=uuid7, editable=False)
    schema_name = models.CharField(
        max_length=63, unique=True, default=new_schema_name, editable=False
    )
    name = models.CharField(max_length=100)
    subdomain = models.CharField(max_length=40, unique=True)
    status = models.CharField(
        max_length=20, choices=Status, default=Status.PROVISIONING, db_index=True
    )
    # Since when the tenant's role may not write. It stays while a read-only tenant is suspended or in
    # maintenance, so the grants are the row's word and not the status's (schemas.set_grants).
    read_only_since = models.DateTimeField(null=True, editable=False)
    # Which database server holds the schema; one today.
    placement = models.CharField(max_length=40, default="main")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row. Schemas are made by shared_apps.tenants.schemas alone."""
        models.Model.save(self, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the row alone; the schema is left to the lifecycle's erasure."""
        return models.Model.delete(self, *args, **kwargs)

    @cached_property
    def primary_hostname(self) -> str:
        """The hostname of the primary domain row, without port; empty while it has none."""
        with context.run_in_public():
            primary = next((domain for domain in self.domains.all() if domain.is_primary), None)
        return primary.domain if primary else ""

    @property
    def ref(self) -> TenantRef:
        """What the context needs of this row."""
        uuid: UUID = self.uuid
        return TenantRef(
            id=self.id,
            uuid=uuid,
            schema_name=self.schema_name,
            name=self.name,
            subdomain=self.subdomain,
            hostname=self.primary_hostname,
            status=self.status,
        )


class StatusChange(models.Model):
    """One step of a tenant's life: what it became, who did it, when and why."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="status_changes")
    before = models.CharField(max_length=20, choices=Status)
    after = models.CharField(max_length=20, choices=Status)
    reason = models.TextField()
    by = models.CharField(max_length=254, help_text="An operator's e-mail address, or the process.")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"
