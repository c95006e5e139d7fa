"""From a finished sign-up into its workspace."""

from datetime import timedelta
from typing import Final

from django.contrib.auth import get_user_model
from django.utils import timezone

from shared_apps.domains.addresses import tenant_url
from shared_apps.front_door.models import HandOff
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.handoff import issue_hand_off

WELCOME_PATH: Final = "/welcome/?token={token}"
_KEPT: Final = timedelta(days=1)


def welcome_url(*, tenant: TenantRef, email: str) -> str:
    """The address that signs the owner in at the new workspace, once, within a minute.

    Args:
        email: the owner's, as it was verified.
    Runs in: the tenant's schema for the person, the public schema for the token.
    """
    users = get_user_model()
    with context.run_in(tenant):
        user_id = users._default_manager.values_list("pk", flat=True).get(email=email)
    token = issue_hand_off(tenant, user_id)
    return tenant_url(tenant.hostname, WELCOME_PATH.format(token=token))


def forget_old() -> int:
    """Delete hand-offs whose refusal nobody can ask about any more. Returns how many."""
    deleted, _ = HandOff.objects.filter(expires_at__lt=timezone.now() - _KEPT).delete()
    return deleted
