from datetime import timedelta
from uuid import UUID

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.workspace import daily_report, statistics, takeout
from tenant_apps.workspace.models import TakeOut


@tenant_task(atomic=False, time_limit=50 * 60)
def write_take_out(take_out_id: str) -> None:
    take_out = TakeOut.objects.select_related("requested_by").get(pk=UUID(take_out_id))
    takeout.write_take_out(take_out=take_out)


@periodic(every=timedelta(hours=1))
@tenant_task
def tidy_take_outs() -> int:
    return takeout.tidy_take_outs()


@periodic(every=timedelta(hours=1))
@tenant_task
def count_days() -> int:
    """Soon after midnight by the workspace's own clock, wherever that is."""
    return statistics.count_missing_days()


@periodic(every=timedelta(minutes=30))
@tenant_task(atomic=False)
def send_daily_reports() -> int:
    return daily_report.send_reports()


@periodic(every=timedelta(days=1))
@tenant_task
def forget_report_letters() -> int:
    return daily_report.forget_letters()
