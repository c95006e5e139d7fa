"""The lifecycle's work in the background: thin doors to the verbs."""

from datetime import timedelta
from uuid import UUID

from shared_apps.tenants import lifecycle
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.registry import OwnerDetails
from shared_apps.tenants.tasks import periodic, public_task


@public_task(atomic=False)
def make_read_only(tenant: str, reason: str, by: str) -> None:
    """For processes that may not change grants."""
    lifecycle.make_read_only(tenant=Tenant.objects.get(uuid=UUID(tenant)), reason=reason, by=by)


@public_task(atomic=False)
def activate_tenant(tenant: str, reason: str, by: str) -> None:
    """For processes that may not change grants."""
    lifecycle.activate_tenant(tenant=Tenant.objects.get(uuid=UUID(tenant)), reason=reason, by=by)


@public_task(atomic=False)
def clone_tenant(
    source: str,
    name: str,
    subdomain: str,
    with_data: bool,  # noqa: FBT001 - a message's arguments
    owner_email: str,
    reason: str,
    by: str,
    request_id: str,
) -> None:
    """For processes that may not make schemas."""
    lifecycle.clone_tenant(
        source=Tenant.objects.get(uuid=UUID(source)),
        name=name,
        subdomain=subdomain,
        with_data=with_data,
        owner=OwnerDetails(email=owner_email) if owner_email else None,
        reason=reason,
        by=by,
        request_id=UUID(request_id),
    )


@periodic(every=timedelta(minutes=10))
@public_task(atomic=False)
def continue_erasures() -> int:
    """Erase the tenants whose day has come, and go on with what a killed process left."""
    return lifecycle.continue_erasures()


@periodic(every=timedelta(minutes=10))
@public_task(atomic=False)
def continue_clonings() -> int:
    """Go on with the copies that a killed process left."""
    return lifecycle.continue_clonings()
