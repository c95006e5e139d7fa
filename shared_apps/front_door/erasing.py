"""What the front door knows of a tenant's people."""

from shared_apps.front_door.models import HandOff, SignUp
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Provisioning


def erase_traces(tenant: TenantRef) -> dict[str, int]:
    """Delete an erased tenant's hand-offs and the sign-up that made it, with its e-mail address.

    Returns how many rows, by table. Safe to repeat. Runs in: the public schema.
    """
    requests = Provisioning.objects.filter(tenant_id=tenant.id).values("request_id")
    sign_ups, _ = SignUp.objects.filter(request_id__in=requests).delete()
    hand_offs, _ = HandOff.objects.filter(tenant_id=tenant.id).delete()
    return {SignUp._meta.db_table: sign_ups, HandOff._meta.db_table: hand_offs}
