"""The states of a tenant and the verbs that lead from one to another.

    trial, active, read_only     served
    maintenance, suspended       not served for now; where it was before comes back
    archived                     closed, everything is kept
    erasure_scheduled            closed, erased when the day comes
    erased                       gone (erasing.py)

Read-only is PostgreSQL's: the tenant's role loses its right to write (schemas.set_grants), in the
transaction that changes the row. It stays read-only while it is suspended or in maintenance.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils import timezone

from shared_apps.domains import resolution
from shared_apps.tenants import context
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.models import Erasure, Status, StatusChange, Tenant
from shared_apps.tenants.registry import kept_writable
from shared_apps.tenants.schemas import (
    OWNER,
    owner_transaction,
    set_grants,
    wait_for_writers,
)

logger = logging.getLogger(__name__)

# How long make_read_only waits for transactions that have written already.
_PATIENCE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Transition:
    """One verb: from which states it leads, and to which.

    `after` is None where it leads back to the state in which the tenant was served last.
    """

    before: frozenset[Status]
    after: Status | None


_SERVED = frozenset({Status.TRIAL, Status.ACTIVE, Status.READ_ONLY})
_WRITING = _SERVED - {Status.READ_ONLY}
_OPEN = _SERVED | {Status.MAINTENANCE, Status.SUSPENDED}

TRANSITIONS: Final[Mapping[str, Transition]] = MappingProxyType(
    {
        "start_trial": Transition(frozenset({Status.ACTIVE}), Status.TRIAL),
        "activate_tenant": Transition(frozenset({Status.TRIAL, Status.READ_ONLY}), Status.ACTIVE),
        "make_read_only": Transition(frozenset({Status.TRIAL, Status.ACTIVE}), Status.READ_ONLY),
        "begin_maintenance": Transition(_SERVED, Status.MAINTENANCE),
        "end_maintenance": Transition(frozenset({Status.MAINTENANCE}), None),
        "suspend_tenant": Transition(_SERVED | {Status.MAINTENANCE}, Status.SUSPENDED),
        "resume_tenant": Transition(frozenset({Status.SUSPENDED}), None),
        "archive_tenant": Transition(_OPEN, Status.ARCHIVED),
        "unarchive_tenant": Transition(frozenset({Status.ARCHIVED}), None),
        "schedule_erasure": Transition(_OPEN | {Status.ARCHIVED}, Status.ERASURE_SCHEDULED),
        "cancel_erasure": Transition(frozenset({Status.ERASURE_SCHEDULED}), Status.ARCHIVED),
    }
)


def start_trial(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Mark an active tenant as one on trial. It may do what an active one may.

    Args:
        reason: for the record and the operators; the tenant's visitors don't see it.
        by: an operator's e-mail address, or the name of the process.
    Raises:
        TenantNotActive: it is not active.
        ValueError: the reason is empty.
    Runs in: the public schema. Seen by every process within TERRACE_HOST_CACHE_SECONDS.
    """
    return _change(tenant, "start_trial", reason=reason, by=by)


def activate_tenant(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """End a trial, or let a read-only tenant write again. Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is neither on trial nor read-only.
        OwnerConnectionMissing: it is read-only, and this process may not change grants.
        ValueError: the reason is empty.
    Runs in: the public schema; a read-only one's grants change in the same transaction of the owner.
    """
    if _is_read_only(tenant):
        return _change_with_grants(tenant, "activate_tenant", reason=reason, by=by)
    return _change(tenant, "activate_tenant", reason=reason, by=by)


def make_read_only(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Let nobody write into the tenant's schema, whatever a process knows; logging in goes on.

    A transaction that has written before and is still open may commit what it wrote. It waits some
    seconds for those, and says in the log if they were not enough. Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is neither active nor on trial.
        OwnerConnectionMissing: this process may not change grants.
        ValueError: the reason is empty.
    Runs in: the public schema; the role's grants change in the same transaction of the owner.
    """
    changed = _change_with_grants(tenant, "make_read_only", reason=reason, by=by)
    with owner_transaction() as connection:
        if not wait_for_writers(
            connection, changed.schema_name, timeout=_PATIENCE, leaving_out=kept_writable()
        ):
            logger.warning(
                "%s is read-only, but a transaction that wrote before is still open", changed
            )
    return changed


def begin_maintenance(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Show visitors the maintenance page; an operator gets past it by make_bypass_link.

    Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is in a state that isn't served.
        ValueError: the reason is empty.
    Runs in: the public schema.
    """
    return _change(tenant, "begin_maintenance", reason=reason, by=by)


def end_maintenance(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Serve a tenant again as it was before its maintenance. Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is not in maintenance.
        ValueError: the reason is empty.
    Runs in: the public schema.
    """
    return _change(tenant, "end_maintenance", reason=reason, by=by)


def suspend_tenant(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Stop serving a tenant: its hosts show the suspended page, its tasks are refused.

    Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is in a state that can't be suspended, e.g. still being made.
        ValueError: the reason is empty.
    Runs in: the public schema. Seen by every process within TERRACE_HOST_CACHE_SECONDS.
    """
    return _change(tenant, "suspend_tenant", reason=reason, by=by)


def resume_tenant(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Serve a suspended tenant again, as it was served before. Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is not suspended.
        ValueError: the reason is empty.
    Runs in: the public schema.
    """
    return _change(tenant, "resume_tenant", reason=reason, by=by)


def archive_tenant(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Close a tenant and keep everything. Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is closed already, or still being made.
        ValueError: the reason is empty.
    Runs in: the public schema.
    """
    return _change(tenant, "archive_tenant", reason=reason, by=by)


def unarchive_tenant(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Serve an archived tenant again, as it was served before. Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is not archived.
        ValueError: the reason is empty.
    Runs in: the public schema.
    """
    return _change(tenant, "unarchive_tenant", reason=reason, by=by)


def schedule_erasure(
    *, tenant: Tenant, reason: str, by: str, after: timedelta | None = None
) -> Tenant:
    """Close a tenant and have it erased when the time is over; until then it can be called off.

    Args:
        reason, by: as in start_trial.
        after: how long it waits; TERRACE_ERASURE_DAYS by default.
    Raises:
        TenantNotActive: it is scheduled or erased already, or still being made.
        ValueError: the reason is empty, or the time is negative.
    Runs in: the public schema.
    """
    after = timedelta(days=settings.TERRACE_ERASURE_DAYS) if after is None else after
    if after < timedelta(0):
        raise ValueError("An erasure is scheduled for now or later, not for the past.")
    with context.run_in_public(), transaction.atomic():
        changed = _change(tenant, "schedule_erasure", reason=reason, by=by)
        Erasure.objects.create(
            tenant=changed, reason=reason.strip(), by=by, due_at=timezone.now() + after
        )
    return changed


def cancel_erasure(*, tenant: Tenant, reason: str, by: str) -> Tenant:
    """Call an erasure off that has not begun. The tenant is archived then (unarchive_tenant).

    Arguments are those of start_trial.

    Raises:
        TenantNotActive: it is not scheduled for erasure, or the erasure has begun.
        ValueError: the reason is empty.
    Runs in: the public schema.
    """
    with context.run_in_public(), transaction.atomic():
        changed = _change(tenant, "cancel_erasure", reason=reason, by=by)
        Erasure.objects.filter(tenant=changed, cancelled_at=None).update(
            cancelled_at=timezone.now()
        )
    return changed


# --- How a state changes ---------------------------------------------------------------------------


def enter_state(
    *, locked: Tenant, after: Status, reason: str, by: str, using: str = DEFAULT_DB_ALIAS
) -> None:
    """Write the new state and its history, for a row that the caller has locked and judged.

    Runs in: the public schema, in the caller's transaction on `using`.
    """
    StatusChange.objects.using(using).create(
        tenant=locked, before=locked.status, after=after, reason=_reason(reason), by=by
    )
    locked.status = after
    locked.save(using=using, update_fields=["status"])
    transaction.on_commit(resolution.bump_version, using=using)


def _change(
    tenant: Tenant, verb: str, *, reason: str, by: str, using: str = DEFAULT_DB_ALIAS
) -> Tenant:
    _reason(reason)
    transition = TRANSITIONS[verb]
    with context.run_in_public(), transaction.atomic(using=using):
        locked: Tenant = Tenant.objects.using(using).select_for_update().get(pk=tenant.pk)
        after = transition.after or _served_last(locked, using)
        if locked.status not in transition.before:
            raise TenantNotActive(
                f"{locked.name} is {locked.get_status_display().lower()}; from there it can't "
                f"become {after.label.lower()}."
            )
        if using == DEFAULT_DB_ALIAS and after in _WRITING and locked.read_only_since:
            raise TenantNotActive(f"{locked.name} has become read-only just now. Try again.")
        enter_state(locked=locked, after=after, reason=reason, by=by, using=using)
    return locked


def _change_with_grants(tenant: Tenant, verb: str, *, reason: str, by: str) -> Tenant:
    """A change of state that opens or closes the tenant's schema for writing, in one transaction."""
    _reason(reason)
    with owner_transaction() as connection:
        changed = _change(tenant, verb, reason=reason, by=by, using=OWNER)
        read_only = changed.status == Status.READ_ONLY
        changed.read_only_since = timezone.now() if read_only else None
        changed.save(using=OWNER, update_fields=["read_only_since"])
        set_grants(connection, changed.schema_name, read_only=read_only)
    changed._state.db = DEFAULT_DB_ALIAS
    return changed


def _is_read_only(tenant: Tenant) -> bool:
    with context.run_in_public():
        return bool(Tenant.objects.filter(pk=tenant.pk, read_only_since__isnull=False).exists())


def _served_last(tenant: Tenant, using: str) -> Status:
    """The state to come back to: read-only if it is, else what its newest history says."""
    if tenant.read_only_since is not None:
        return Status.READ_ONLY
    could_write = StatusChange.objects.using(using).filter(
        tenant=tenant, before__in=[Status.TRIAL, Status.ACTIVE]
    )
    newest = could_write.values_list("before", flat=True).first()
    return Status(newest) if newest else Status.ACTIVE


def _reason(reason: str) -> str:
    if not reason.strip():
        raise ValueError("Say why: a reason is needed to change a tenant's status.")
    return reason.strip()
