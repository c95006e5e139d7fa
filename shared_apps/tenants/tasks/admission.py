"""Which tenants' tasks are let in.

A tenant is found by its uuid, through a cache of TERRACE_TENANT_CACHE_SECONDS in the process: a
suspension is seen within that time.
"""

import threading
from time import monotonic
from uuid import UUID

from django.conf import settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantNotActive, TenantNotFound, TenantSuspended

MAX_ENTRIES = 10_000

_known: dict[UUID, tuple[float, TenantRef | None]] = {}
_lock = threading.Lock()


def admit(uuid: UUID, *, task_name: str, runs_when: frozenset[str]) -> TenantRef:
    """The tenant, if a task may run for it now.

    Args:
        runs_when: the statuses (`shared_apps.tenants.models.Status`) in which the task runs.
    Raises:
        TenantNotFound: no such tenant, or it was erased.
        TenantSuspended: it is suspended.
        TenantNotActive: it is in another state in which the task does not run.
    Runs in: the public schema, whatever is set.
    """
    tenant = _find(uuid)
    if tenant is None or tenant.status == "erased":
        raise TenantNotFound(
            f"{task_name} was published for tenant {uuid}, which does not exist any more."
        )
    if tenant.status == "suspended":  # whatever the task says
        raise TenantSuspended(f"{tenant} is suspended, so {task_name} does not run for it.")
    if tenant.status in runs_when:
        return tenant
    raise TenantNotActive(
        f"{tenant} is {tenant.status}, and {task_name} runs when it is "
        f"{' or '.join(sorted(runs_when))}."
    )


def forget_tenants() -> None:
    """Ask the table again for every tenant."""
    with _lock:
        _known.clear()


def _find(uuid: UUID) -> TenantRef | None:
    known = _known.get(uuid)
    if known is not None and known[0] > monotonic():
        return known[1]
    tenant = _from_table(uuid)
    with _lock:
        if len(_known) >= MAX_ENTRIES:
            _known.clear()
        _known[uuid] = (monotonic() + settings.TERRACE_TENANT_CACHE_SECONDS, tenant)
    return tenant


def _from_table(uuid: UUID) -> TenantRef | None:
    from shared_apps.tenants.models import Tenant

    with context.run_in_public():
        row = Tenant.objects.prefetch_related("domains").filter(uuid=uuid).first()
        return row.ref if row else None
