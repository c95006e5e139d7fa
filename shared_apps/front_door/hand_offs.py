"""From a finished sign-up into its workspace."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from shared_apps.domains.addresses import tenant_url
from shared_apps.front_door.models import HandOff
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.handoff import issue_hand_off
from shared_apps.tenants.registry import find_person

WELCOME_PATH: Final = "/welcome/?token={token}"
_KEPT: Final = timedelta(days=1)


def welcome_url(*, tenant: TenantRef, email: str) -> str:
    """The address that signs the owner in at the new workspace, once, within a minute.

    Where nobody may log in there with this e-mail address, it is that of the workspace's first page.

    Args:
        email: the owner's, as it was verified.
    Runs in: the tenant's schema for the person, the public schema for the token.
    """
    with context.run_in(tenant):
        person = find_person(email)
    if person is None:
        return tenant_url(tenant.hostname, "/")
    token = issue_hand_off(tenant, person)
    return tenant_url(tenant.hostname, WELCOME_PATH.format(token=token))


def forget_old() -> int:
    """Delete hand-offs whose refusal nobody can ask about any more. Returns how many."""
    deleted, _ = HandOff.objects.filter(expires_at__lt=timezone.now() - _KEPT).delete()
    return deleted
