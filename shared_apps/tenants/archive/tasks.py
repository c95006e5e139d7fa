"""The archive's work in the background: thin doors to the verbs.

A tenant's backup has its own minute of the day (tasks/periodic.py), so that all of them are not
written at once.
"""

from datetime import timedelta

from shared_apps.tenants import context
from shared_apps.tenants.archive import backups, drills, importing, undo
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.tasks import periodic, public_task, tenant_task

_LONG = 50 * 60


@periodic(every=timedelta(days=1))
@tenant_task(
    atomic=False,
    time_limit=_LONG,
    runs_when=frozenset({"trial", "active", "read_only", "maintenance"}),
)
def back_up() -> None:
    """This tenant's archive, into the backup store."""
    ref = context.require_tenant()
    with context.run_in_public():
        backups.back_up_tenant(tenant=Tenant.objects.get(pk=ref.id))


@periodic(every=timedelta(days=1))
@public_task(atomic=False, time_limit=_LONG)
def restore_drill() -> None:
    """One tenant's newest backup, restored and compared."""
    drills.run_drill()


@periodic(every=timedelta(hours=1))
@public_task(atomic=False, time_limit=_LONG)
def remove_expired_backups() -> int:
    """What is kept long enough."""
    return backups.remove_expired()


@periodic(every=timedelta(minutes=10))
@public_task(atomic=False, time_limit=_LONG)
def sweep_restored_schemas() -> int:
    """What killed processes left, previews that have expired, undone schemas after their days."""
    drills.end_abandoned_drills()
    return importing.sweep_restores() + undo.sweep_undone()
