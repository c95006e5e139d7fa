from datetime import timedelta
from uuid import UUID

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.products import import_runs
from tenant_apps.products.models import ImportRun


@tenant_task
def check_import(run_id: str) -> None:
    import_runs.check_import(run=_load(run_id))


@tenant_task
def apply_import(run_id: str) -> None:
    import_runs.apply_import(run=_load(run_id))


@periodic(every=timedelta(hours=1))
@tenant_task
def tidy_imports() -> int:
    return import_runs.tidy_imports()


def _load(run_id: str) -> ImportRun:
    return ImportRun.objects.select_related("created_by__role").get(pk=UUID(run_id))
