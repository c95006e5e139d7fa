from datetime import timedelta
from uuid import UUID

from django.core.cache import cache

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.activity import deliveries, webhooks


@tenant_task(atomic=False, time_limit=120)
def send_webhooks(endpoint_id: str) -> int:
    """A turn for one endpoint; another one where more is due soon."""
    key = UUID(endpoint_id)
    # Before anything is read: what is committed from here on sends a task of its own.
    cache.delete(webhooks.awake_key(key))
    turn = deliveries.deliver_due(endpoint_id=key)
    if turn.next_in is not None:
        send_webhooks.apply_async((endpoint_id,), countdown=turn.next_in.total_seconds())
    return turn.sent


@periodic(every=timedelta(seconds=30))
@tenant_task(atomic=False)
def send_due_webhooks() -> int:
    """Second and later attempts, and what a lost worker left."""
    due = deliveries.endpoints_due()
    for key in due:
        send_webhooks.delay(str(key))
    return len(due)


@periodic(every=timedelta(days=1))
@tenant_task(atomic=False)
def tidy_webhook_events() -> int:
    return webhooks.tidy_events()
