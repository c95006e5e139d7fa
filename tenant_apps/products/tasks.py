from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.products import import_runs, stock_alerts
from tenant_apps.products.models import ImportRun

# A large file takes longer than other tasks may. Shorter than the queue's visibility timeout and than
# `tidy_imports` waits. Not atomic: how an import ended is kept when its work is rolled back.
_LONG: Final[dict[str, Any]] = {"atomic": False, "soft_time_limit": 45 * 60, "time_limit": 50 * 60}


@tenant_task(**_LONG)
def check_import(run_id: str) -> None:
    import_runs.check_import(run=_load(run_id))


@tenant_task(**_LONG)
def apply_import(run_id: str) -> None:
    import_runs.apply_import(run=_load(run_id))


@tenant_task
def mail_stock_alerts() -> int:
    return stock_alerts.mail_alerts()


@periodic(every=timedelta(hours=1))
@tenant_task
def tidy_imports() -> int:
    return import_runs.tidy_imports()


def _load(run_id: str) -> ImportRun:
    return ImportRun.objects.select_related("created_by__role").get(pk=UUID(run_id))
