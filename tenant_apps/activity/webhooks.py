"""What happened, told to the endpoints that want to know. Each verb runs in the tenant's schema.

An event is a row that is written in the transaction of what happened: neither is there without the
other. A row for each endpoint says how far it has come; `deliveries` sends them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from tenant_apps.activity import trail
from tenant_apps.activity.errors import EndpointOff
from tenant_apps.activity.event_types import TEST, find_event_type
from tenant_apps.activity.models import (
    DeliveryState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from tenant_apps.activity.permissions import require_manage_webhooks

KEPT_FOR: Final = timedelta(days=30)
_BATCH: Final = 1_000


def announce(event_type: str, subject: Any) -> None:
    """Say that something has happened, in the caller's transaction.

    One statement where no endpoint wants to know.

    Args:
        event_type: a registered name, such as `article.published`.
        subject: what it happened to, as the type's `tell` takes it.
    Raises:
        EventTypeUnknown: nobody registered the name.
    """
    announce_many(event_type, [subject])


def announce_many(event_type: str, subjects: Iterable[Any]) -> None:
    """As announce, for many things in as many statements as for one."""
    kind = find_event_type(event_type)
    subjects = list(subjects)
    if not subjects:
        return
    endpoints = list(WebhookEndpoint.objects.wanting(event_type).values_list("pk", flat=True))
    if endpoints:
        _write(event_type, [dict(kind.tell(subject)) for subject in subjects], endpoints)


def send_test_event(*, endpoint: WebhookEndpoint, by: AbstractBaseUser) -> WebhookDelivery:
    """Send an event of type `webhook.test` to one endpoint, whatever it wants otherwise.

    Raises:
        NotAllowed: `by` may not manage webhooks.
        EndpointOff: it is switched off.
    """
    require_manage_webhooks(by)
    _require_on(endpoint)
    with transaction.atomic():
        told = {"endpoint": str(endpoint.pk), "message": "This is a test. Nothing has happened."}
        (delivery,) = _write(TEST, [told], [endpoint.pk])
        trail.record(verb="webhook.tested", subject=endpoint, actor=by)
    return delivery


def replay_delivery(*, delivery: WebhookDelivery, by: AbstractBaseUser) -> WebhookDelivery:
    """Send an event once more, under the same id, with all its attempts before it. One that waits is
    sent now.

    Raises:
        NotAllowed: `by` may not manage webhooks.
        EndpointOff: its endpoint is switched off.
    """
    require_manage_webhooks(by)
    _require_on(delivery.endpoint)
    with transaction.atomic():
        _begin_anew(WebhookDelivery.objects.filter(pk=delivery.pk), by)
        trail.record(verb="webhook.replayed", subject=delivery, actor=by)
        _wake(delivery.endpoint_id)
    delivery.refresh_from_db()
    return delivery


def replay_failed(*, endpoint: WebhookEndpoint, since: datetime, by: AbstractBaseUser) -> int:
    """Send again all that failed of what has happened since a time.

    Args:
        since: aware.
    Returns:
        How many events.
    Raises:
        NotAllowed, EndpointOff: as replay_delivery.
    """
    require_manage_webhooks(by)
    _require_on(endpoint)
    failed = WebhookDelivery.objects.filter(
        endpoint=endpoint, state=DeliveryState.FAILED, event__happened_at__gte=since
    )
    with transaction.atomic():
        replayed = _begin_anew(failed, by)
        if replayed:
            trail.record(
                verb="webhook.replayed",
                subject=endpoint,
                actor=by,
                after={"since": since, "events": replayed},
            )
            _wake(endpoint.pk)
    return replayed


def tidy_events() -> int:
    """Delete what happened more than 30 days ago, with the log of its deliveries. Safe to repeat.

    Returns:
        How many events.
    """
    old = WebhookEvent.objects.filter(happened_at__lt=timezone.now() - KEPT_FOR)
    deleted = 0
    while keys := list(old.order_by("id").values_list("pk", flat=True)[:_BATCH]):
        with transaction.atomic():
            WebhookDelivery.objects.filter(event__in=keys).delete()
            deleted += WebhookEvent.objects.filter(pk__in=keys).delete()[0]
    return deleted


def awake_key(endpoint_id: UUID) -> str:
    """The key in the cache that says that a task for this endpoint waits in the queue."""
    return f"activity:webhook-awake:{endpoint_id}"


def _write(
    event_type: str, told: Sequence[dict[str, Any]], endpoints: Sequence[UUID]
) -> list[WebhookDelivery]:
    with transaction.atomic():
        events = WebhookEvent.objects.bulk_create(
            [WebhookEvent(type=event_type, data=trail.as_json(data)) for data in told], _BATCH
        )
        deliveries = WebhookDelivery.objects.bulk_create(
            [
                WebhookDelivery(event=event, endpoint_id=key)
                for event in events
                for key in endpoints
            ],
            _BATCH,
        )
        for key in endpoints:
            _wake(key)
    return deliveries


def _begin_anew(deliveries: Any, by: AbstractBaseUser) -> int:
    now = timezone.now()
    count: int = deliveries.update(
        state=DeliveryState.WAITING,
        attempts=0,
        next_attempt_at=now,
        replayed_at=now,
        replayed_by=by,
    )
    return count


def _require_on(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_on:
        raise EndpointOff(f'"{endpoint}" is switched off. Switch it on first.')


def _wake(endpoint_id: UUID) -> None:
    """Have a worker look once this transaction is committed. A task that waits in the queue already sees
    what is committed by then; without Redis each event sends one."""
    transaction.on_commit(partial(_wake_now, endpoint_id))


def _wake_now(endpoint_id: UUID) -> None:
    from tenant_apps.activity.tasks import send_webhooks

    if cache.add(awake_key(endpoint_id), "waits", 60) is not False:
        send_webhooks.delay(str(endpoint_id))
