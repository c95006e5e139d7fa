"""A tenant's life after it was made: what it may do, who changed that, when and why."""

from django.db import transaction

from shared_apps.tenants import context
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.models import Status, StatusChange, Tenant

# From which states a state may be reached.
_SUSPENDABLE = frozenset({Status.ACTIVE, Status.READ_ONLY, Status.MAINTENANCE})


def suspend_tenant(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Stop serving a tenant: its hosts show the suspended page, its tasks are refused.

    Args:
        reason: for the record and the operators; the tenant's visitors don't see it.
        by: an operator's e-mail address, or the name of the process.
    Raises:
        TenantNotActive: it is in a state that can't be suspended, e.g. still being made.
        ValueError: the reason is empty.
    Runs in: the public schema. Seen by every process within TERRACE_HOST_CACHE_SECONDS.
    """
    return _change_status(tenant, Status.SUSPENDED, allowed=_SUSPENDABLE, reason=reason, by=by)


def resume_tenant(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Serve a suspended tenant again.

    Raises:
        TenantNotActive: it is not suspended.
        ValueError: the reason is empty.
    Runs in: the public schema.
    """
    return _change_status(
        tenant, Status.ACTIVE, allowed=frozenset({Status.SUSPENDED}), reason=reason, by=by
    )


def _change_status(
    tenant: Tenant, after: Status, *, allowed: frozenset[Status], reason: str, by: str
) -> Tenant:
    if not reason.strip():
        raise ValueError("Say why: a reason is needed to change a tenant's status.")
    with context.run_in_public(), transaction.atomic():
        locked: Tenant = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.status not in allowed:
            raise TenantNotActive(
                f"{locked.name} is {locked.get_status_display().lower()}; from there it can't "
                f"become {after.label.lower()}."
            )
        StatusChange.objects.create(
            tenant=locked, before=locked.status, after=after, reason=reason.strip(), by=by
        )
        locked.status = after
        locked.save(update_fields=["status"])
        transaction.on_commit(_forget_hosts)
    return locked


def _forget_hosts() -> None:
    from shared_apps.domains.resolution import bump_version

    bump_version()
