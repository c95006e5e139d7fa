from datetime import timedelta
from smtplib import SMTPException
from typing import Any, Final
from uuid import UUID

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.articles import counting, pictures, publishing, searching, subscribing
from tenant_apps.articles.models import Move, MoveState, Picture, Subscriber
from tenant_apps.articles.moving_in import moves

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


# A large file takes longer than other tasks may. Not atomic: each article is a transaction of its own.
_LONG: Final[dict[str, Any]] = {"atomic": False, "soft_time_limit": 45 * 60, "time_limit": 50 * 60}


@tenant_task(**_LONG)
def check_move(move_id: str) -> None:
    moves.check_move(move=_move(move_id))


@tenant_task(**_LONG)
def take_move(move_id: str) -> None:
    moves.take_move(move=_move(move_id))


@tenant_task(**_LONG)
def fetch_move_pictures(move_id: str) -> None:
    # Some minutes at a time: other tenants' tasks come between.
    if moves.fetch_pictures(move=_move(move_id)):
        fetch_move_pictures.delay(move_id)


@periodic(every=timedelta(minutes=10))
@tenant_task
def look_after_moves() -> None:
    """Goes on with what a lost worker has left."""
    work = {
        MoveState.CHECKING: check_move,
        MoveState.TAKING: take_move,
        MoveState.FETCHING: fetch_move_pictures,
    }
    for state, key in moves.look_after_moves():
        work[MoveState(state)].delay_on_commit(key)


def _move(move_id: str) -> Move:
    return Move.objects.select_related("created_by__role").get(pk=UUID(move_id))
