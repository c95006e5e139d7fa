from datetime import timedelta

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.articles import counting, publishing, searching


@periodic(every=timedelta(minutes=1))
@tenant_task
def publish_due_articles() -> int:
    return publishing.publish_due_articles()


@periodic(every=timedelta(hours=1))
@tenant_task(atomic=False)
def refresh_search() -> int:
    return searching.refresh_index()


@periodic(every=timedelta(minutes=5))
@tenant_task(atomic=False)
def write_down_views() -> int:
    return counting.write_down_views()
