from datetime import timedelta

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.api import kept_answers


@periodic(every=timedelta(hours=6))
@tenant_task
def delete_expired_answers() -> int:
    """What was kept for an Idempotency-Key, after its 24 hours."""
    return kept_answers.delete_expired()
