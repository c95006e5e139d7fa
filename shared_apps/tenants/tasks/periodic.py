"""Periodic work: one dispatcher, and every tenant at its own moment.

A task that runs every hour has one slot an hour for each tenant, at an offset that a hash of the
tenant's uuid and the task's name gives, so that 3,000 tenants are spread over the hour. Slots are
counted from the epoch: they are the same whoever computes them, and whenever.

The dispatcher publishes the slots between a task's `PeriodicRun.dispatched_until` and now. Beat
being down, started anew or run twice neither doubles a slot nor loses one: the row is locked while
its slots are published and moves on in the same transaction, and the broker takes each slot's
message once (fair_queue.py), should the dispatcher die between publishing and committing. What was
missed is caught up for one interval at most (a minute, where that is longer): a tenant gets one
late run, not one for every slot.
"""

import logging
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from shared_apps.tenants.tasks import header
from shared_apps.tenants.tasks.base import PublicTask, public_task

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(seconds=10)
# The dispatcher may come this late to any slot, whatever the interval.
LATENESS = timedelta(minutes=1)
_MILLISECOND = timedelta(milliseconds=1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Registered:
    task: Any
    every: timedelta


_registered: list[_Registered] = []


def periodic(*, every: timedelta) -> Callable[[T], T]:
    """Run a task again and again: a tenant's in every tenant where it may run, a public one once.

        @periodic(every=timedelta(hours=1))
        @tenant_task
        def expire_invitations() -> None: ...

    Args:
        every: ten seconds or more. Tenants are spread over it.
    Raises:
        ValueError: it is shorter.
    """
    if every < SHORTEST:
        raise ValueError(f"A periodic task can't run every {every}: {SHORTEST} is the shortest.")

    def register(task: T) -> T:
        _registered.append(_Registered(task, every))
        return task

    return register


def slots_due(
    *, after: datetime, until: datetime, every: timedelta, key: bytes, name: str
) -> range:
    """The instants in (after, until] at which the holder of `key` is due, in ms since the epoch.

    Args:
        key: the tenant's uuid, or nothing for a public task.
        name: the task's.
    """
    interval = every // _MILLISECOND
    offset = zlib.crc32(key, zlib.crc32(name.encode())) % interval
    first = ((after - EPOCH) // _MILLISECOND - offset) // interval + 1
    end = (until - EPOCH) // _MILLISECOND + 1
    return range(first * interval + offset, end, interval)


@public_task(atomic=False, time_limit=120, soft_time_limit=100)
def dispatch_periodic() -> int:
    """Publish what is due of every periodic task. Beat runs it every few seconds."""
    return sum(dispatch_due(entry.task, every=entry.every) for entry in _registered)


def dispatch_due(task: Any, *, every: timedelta, now: datetime | None = None) -> int:
    """Publish the slots of one task that are due, and remember it.

    Args:
        now: the end of what is due; the present, unless a test says otherwise.
    Returns:
        How many messages were published. 0 where another dispatcher is at it.
    Runs in: the public schema.
    """
    from shared_apps.tenants.tasks.models import PeriodicRun

    now = now or timezone.now()
    PeriodicRun.objects.get_or_create(task=task.name, defaults={"dispatched_until": now})
    with transaction.atomic():
        run = PeriodicRun.objects.select_for_update(skip_locked=True).filter(task=task.name).first()
        if run is None or run.dispatched_until >= now:
            return 0
        after = max(run.dispatched_until, now - max(every, LATENESS))
        published = 0
        for tenant in _holders(task):
            key = tenant.bytes if tenant else b""
            for slot in slots_due(after=after, until=now, every=every, key=key, name=task.name):
                _publish(task, tenant, slot, every)
                published += 1
        run.dispatched_until = now
        run.save(update_fields=["dispatched_until"])
    if published:
        logger.info("Published %s of %s", published, task.name)
    return published


def _holders(task: Any) -> Iterable[UUID | None]:
    """Whose slots there are: the tenants' in which the task runs now, or one that is nobody's."""
    from shared_apps.tenants.models import Status, Tenant

    if isinstance(task, PublicTask):
        return [None]
    statuses = task.runs_when - {Status.SUSPENDED}
    return list(Tenant.objects.filter(status__in=statuses).values_list("uuid", flat=True))


def _publish(task: Any, tenant: UUID | None, slot: int, every: timedelta) -> None:
    owner = tenant.hex if tenant else header.PUBLIC_LANE
    # Until then the slot could be due again, had the dispatcher died before it committed.
    remembered = 2 * max(every, LATENESS) // _MILLISECOND
    headers: dict[str, Any] = {
        header.ONCE: [f"terrace:once:{task.name}:{owner}:{slot}", remembered]
    }
    if tenant:
        headers[header.TENANT] = header.sign(tenant, task.name)
    task.apply_async(headers=headers, expires=max(every, LATENESS).total_seconds())
