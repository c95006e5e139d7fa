from datetime import timedelta
from smtplib import SMTPException
from uuid import UUID

from django.core.cache import cache

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.activity import deliveries, notification_letters, notifications, webhooks


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


# A mail server that is down is tried again for about half an hour, then by the timetable.
@tenant_task(
    autoretry_for=(SMTPException, OSError),
    retry_backoff=5,
    retry_backoff_max=600,
    retry_jitter=False,
    max_retries=9,
)
def mail_notifications(person_id: str) -> int:
    return notification_letters.mail_waiting(person_id=UUID(person_id))


@periodic(every=timedelta(minutes=30))
@tenant_task
def mail_due_notifications() -> int:
    """Daily mails whose time has come, and what a lost worker left."""
    due = notification_letters.people_due()
    for key in due:
        mail_notifications.delay_on_commit(str(key))
    return len(due)


@periodic(every=timedelta(days=1))
@tenant_task
def tidy_notifications() -> int:
    return notifications.tidy_notifications()
