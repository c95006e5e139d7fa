"""What a tenant's own pages may know of its preview: the door to archive/undo.py for tenant apps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

if TYPE_CHECKING:
    from shared_apps.tenants.models import Preview


@dataclass(frozen=True, slots=True)
class OpenPreview:
    """A backup that is open to be looked at.

    Args:
        differences: what was done since it, by table: "table", "added", "changed", "removed".
    """

    shows_time: datetime
    expires_at: datetime
    differences: Sequence[Mapping[str, Any]]


def find_preview(tenant: TenantRef) -> OpenPreview | None:
    """The preview that is open for this tenant, if there is one.

    Runs in: the public schema, whatever is set.
    """
    preview = _find(tenant)
    if preview is None:
        return None
    return OpenPreview(preview.shows_time, preview.expires_at, preview.differences)


def link_to_preview(tenant: TenantRef, user_id: UUID) -> str | None:
    """An address that opens it, signed in as this person. None where no preview is open.

    The caller makes sure that the person is an owner.
    Runs in: the public schema, whatever is set.
    """
    from shared_apps.tenants.archive import undo

    preview = _find(tenant)
    return undo.preview_link(preview=preview, user_id=user_id) if preview else None


def _find(tenant: TenantRef) -> "Preview | None":
    from shared_apps.tenants.models import Preview

    with context.run_in_public():
        return Preview.objects.filter(
            tenant_id=tenant.id, swapped_at=None, closed_at=None, expires_at__gt=timezone.now()
        ).first()
