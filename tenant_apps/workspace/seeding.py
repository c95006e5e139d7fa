from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.registry import OwnerDetails
from tenant_apps.workspace.models import Workspace


def seed_workspace(*, tenant: TenantRef, owner: OwnerDetails | None) -> None:
    """Give a new tenant its settings row: one statement. Runs in the tenant's schema."""
    del owner
    Workspace.objects.bulk_create([Workspace(name=tenant.name)])
