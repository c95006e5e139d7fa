from datetime import timedelta
from smtplib import SMTPException
from typing import Any, Final
from uuid import UUID

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.articles import counting, pictures, publishing, searching, subscribing
from tenant_apps.articles.models import Picture, Subscriber

# A mail server that is down is tried again for about half an hour.
_TRIES: Final[dict[str, Any]] = {
    "autoretry_for": (SMTPException, OSError),
    "retry_backoff": 5,
    "retry_backoff_max": 600,
    "retry_jitter": False,
    "max_retries": 9,
}


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


@tenant_task(**_TRIES)
def send_subscription_letter(subscriber_id: str) -> None:
    subscriber = Subscriber.objects.filter(pk=UUID(subscriber_id)).first()
    if subscriber is not None:
        subscribing.send_confirmation(subscriber=subscriber)


@tenant_task(atomic=False, **_TRIES)
def deliver_announcement(announcement_id: int) -> None:
    # So many at a time: other tenants' tasks come between.
    if subscribing.deliver(announcement_id=announcement_id):
        deliver_announcement.delay(announcement_id)


@periodic(every=timedelta(minutes=30))
@tenant_task(atomic=False)
def look_after_announcements() -> None:
    """Goes on with what a lost worker or a mail server that was away has left."""
    for key in subscribing.open_announcements():
        deliver_announcement.delay(key)


@periodic(every=timedelta(days=1))
@tenant_task
def forget_unconfirmed_subscribers() -> int:
    return subscribing.forget_unconfirmed()


@tenant_task
def make_picture_copies(picture_id: str) -> None:
    pictures.make_copies(picture=Picture.objects.get(pk=UUID(picture_id)))
