from datetime import timedelta

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.articles import publishing


@periodic(every=timedelta(minutes=1))
@tenant_task
def publish_due_articles() -> int:
    return publishing.publish_due_articles()
