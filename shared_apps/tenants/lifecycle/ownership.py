"""A workspace's other owner, given by the platform: where the owner can't do it any more."""

import logging

from shared_apps.tenants import context
from shared_apps.tenants.errors import TenancyError, TenantNotActive
from shared_apps.tenants.models import Status, Tenant
from shared_apps.tenants.registry import ownership_giver

logger = logging.getLogger(__name__)

# Where nobody may write, or there is nobody.
_CLOSED = frozenset({Status.PROVISIONING, Status.READ_ONLY, Status.ERASED, Status.PREVIEW})


class NoOwnership(TenancyError):
    """No app of this installation says whose a workspace is."""


def transfer_ownership(*, tenant: Tenant, heir: str, giver: str = "", by: str) -> None:
    """Make a person an owner in the place of another. The workspace's own trail keeps it.

    Args:
        heir: the e-mail address of an active person of the workspace.
        giver: an owner's e-mail address; may be empty where there is one owner.
        by: an operator's e-mail address, for the log.
    Raises:
        OwnershipRefused: the people's app says no, e.g. that nobody there has this address.
        TenantNotActive: nobody can write there, e.g. while it is read-only.
        NoOwnership: no app knows of owners.
    Runs in: the tenant's schema.
    """
    with context.run_in_public():
        now: Tenant = Tenant.objects.get(pk=tenant.pk)
    if now.status in _CLOSED or now.read_only_since is not None:
        raise TenantNotActive(
            f"{now.name} is {now.get_status_display().lower()}; nothing can be written there, so it "
            "can't get another owner now."
        )
    give = ownership_giver()
    if give is None:
        raise NoOwnership("No app of this installation has registered how ownership is given.")
    with context.run_in(now):
        give(heir=heir, giver=giver)
    logger.info("%s gave %s to another owner", by, now)
