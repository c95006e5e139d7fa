"""Events on their way, by a worker. Each verb runs in the tenant's schema, and holds no transaction
while it waits for an answer.

One worker at a time is at an endpoint, and for half a minute at most before it goes to the end of the
tenant's line. After a failure an endpoint rests: one that is slow or down never keeps more than that
worker from the others.

A row is claimed, committed, sent, and then written down. Whoever dies in between leaves a claim that
runs out: the event is sent once more under the same id.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from shared_apps.tenants.errors import TextUnreadable
from tenant_apps.activity import endpoints
from tenant_apps.activity.models import (
    DeliveryState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from tenant_apps.activity.signatures import sign
from tenant_apps.outbound import (
    Address,
    Limits,
    Message,
    OutboundFailed,
    OutboundRefused,
    is_public,
    send,
)

# As Svix has them (https://docs.svix.com/retries), about three days.
WAITS: Final = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
MAX_ATTEMPTS: Final = len(WAITS) + 1
GIVEN_UP_AFTER: Final = timedelta(days=5)
_JITTER: Final = 0.2
_PER_RUN: Final = 50
_RUN_SECONDS: Final = 15.0
_LIMITS: Final = Limits(max_bytes=1_024, cut=True, seconds=10.0)
# Longer than one attempt takes, with its look-up in the DNS.
_CLAIM: Final = timedelta(seconds=45)
_LONGEST_REST: Final = timedelta(minutes=1)
_GONE: Final = 410
_DONE: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class _Outcome:
    status: int | None
    body: str
    failure: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a worker's turn at an endpoint.

    Args:
        sent: attempts.
        next_in: when to look again; None where the timetable is early enough.
    """

    sent: int = 0
    next_in: timedelta | None = None


def deliver_due(*, endpoint_id: UUID, allow: Callable[[Address], bool] = is_public) -> Turn:
    """Send what is due to one endpoint, the oldest event first, until it is done, one fails, or its turn
    is over. Nothing where another worker is at it.

    Args:
        allow: which hosts may be called.
    """
    if not _begin(endpoint_id):
        return Turn()
    sent, went_well = 0, True
    ends = time.monotonic() + _RUN_SECONDS
    while went_well and sent < _PER_RUN and time.monotonic() < ends:
        delivery = _claim(endpoint_id)
        if delivery is None:
            break
        went_well = _note(delivery, _attempt(delivery, allow))
        sent += 1
    _end(endpoint_id, rests=not went_well)
    # Asked after the end: whoever came meanwhile has left it to this worker.
    return Turn(sent, _next_look(endpoint_id, is_resting=not went_well))


def endpoints_due() -> list[UUID]:
    """The endpoints that something is due for, and that nobody is at."""
    now = timezone.now()
    due = WebhookDelivery.objects.filter(
        _is_free(now, "endpoint__"), state=DeliveryState.WAITING, next_attempt_at__lte=now
    )
    return list(due.order_by("endpoint_id").values_list("endpoint_id", flat=True).distinct())


def _next_look(endpoint_id: UUID, *, is_resting: bool) -> timedelta | None:
    now = timezone.now()
    waiting = WebhookDelivery.objects.filter(
        endpoint_id=endpoint_id, endpoint__switched_off_at=None, state=DeliveryState.WAITING
    )
    found = waiting.order_by("next_attempt_at").values_list(
        "next_attempt_at", "endpoint__busy_until"
    )
    first = found.first()
    if first is None:
        return None
    wait = max(first[0], first[1] or now) - now
    if is_resting:
        return max(wait, timedelta()) if wait <= _LONGEST_REST else None
    return timedelta() if wait <= timedelta() else None


def _is_free(now: datetime, prefix: str = "") -> Q:
    is_idle = Q(**{f"{prefix}busy_until": None}) | Q(**{f"{prefix}busy_until__lte": now})
    return is_idle & Q(**{f"{prefix}switched_off_at": None})


def _begin(endpoint_id: UUID) -> bool:
    now = timezone.now()
    free = WebhookEndpoint.objects.filter(_is_free(now), pk=endpoint_id)
    with transaction.atomic():
        # Whoever finds it locked leaves it to the one who has it.
        key = (
            free.select_for_update(skip_locked=True, no_key=True)
            .values_list("pk", flat=True)
            .first()
        )
        if key is None:
            return False
        WebhookEndpoint.objects.filter(pk=key).update(busy_until=now + _CLAIM)
    return True


def _claim(endpoint_id: UUID) -> WebhookDelivery | None:
    now = timezone.now()
    waiting = WebhookDelivery.objects.filter(
        endpoint_id=endpoint_id, state=DeliveryState.WAITING, next_attempt_at__lte=now
    )
    with transaction.atomic():
        # The endpoint first, then its deliveries: so does everybody who locks both.
        if not WebhookEndpoint.objects.on().filter(pk=endpoint_id).update(busy_until=now + _CLAIM):
            return None
        delivery = (
            waiting.select_related("event", "endpoint")
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("event_id")
            .first()
        )
        if delivery is None:
            return None
        delivery.attempts += 1
        delivery.last_attempt_at = now
        delivery.next_attempt_at = now + _CLAIM
        delivery.save(update_fields=["attempts", "last_attempt_at", "next_attempt_at"])
    return delivery


def body_of(event: WebhookEvent) -> bytes:
    """What is sent, the same bytes each time (Standard Webhooks 1.0.0, "Payload structure")."""
    told = {"type": event.type, "timestamp": event.happened_at.isoformat(), "data": event.data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _attempt(delivery: WebhookDelivery, allow: Callable[[Address], bool]) -> _Outcome:
    began = time.monotonic()
    status, answer, failure = None, "", ""
    try:
        got = send(
            delivery.endpoint.url,
            message=_message(delivery),
            limits=_LIMITS,
            schemes=endpoints.schemes(),
            allow=allow,
        )
    except (OutboundRefused, OutboundFailed, TextUnreadable) as error:
        failure = str(error)[:500]
    else:
        status = got.status
        answer = got.body.decode(errors="replace").replace("\x00", "\ufffd")
        if status not in _DONE:
            failure = f"It answered {status}; an event is taken with 200 to 299."
    return _Outcome(status, answer, failure, int((time.monotonic() - began) * 1_000))


def _message(delivery: WebhookDelivery) -> Message:
    message_id, timestamp = str(delivery.event_id), int(time.time())
    body = body_of(delivery.event)
    signature = sign(
        secrets=endpoints.secrets_of(delivery.endpoint),
        message_id=message_id,
        timestamp=timestamp,
        body=body,
    )
    return Message(
        method="POST",
        body=body,
        headers={
            "Content-Type": "application/json",
            "User-Agent": "Terrace-Webhooks/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature,
        },
    )


def _note(delivery: WebhookDelivery, outcome: _Outcome) -> bool:
    """Write down how it went. Returns whether it went well."""
    now = timezone.now()
    marks = {
        "duration_ms": outcome.milliseconds,
        "response_status": outcome.status,
        "response_body": outcome.body,
        "failure": outcome.failure,
        "state": DeliveryState.DELIVERED,
        "delivered_at": now,
    }
    if outcome.failure:
        is_last = delivery.attempts >= MAX_ATTEMPTS
        marks["state"] = DeliveryState.FAILED if is_last else DeliveryState.WAITING
        marks["delivered_at"] = None
        if not is_last:
            marks["next_attempt_at"] = now + _wait_after(delivery.attempts)
    with transaction.atomic():
        endpoint = (
            WebhookEndpoint.objects.select_for_update(no_key=True)
            .filter(pk=delivery.endpoint_id)
            .first()
        )
        # Somebody else's by now, where this worker was asleep for longer than its claim.
        mine = WebhookDelivery.objects.filter(
            pk=delivery.pk, attempts=delivery.attempts, state=DeliveryState.WAITING
        )
        mine.update(**marks)
        if endpoint is not None and endpoint.is_on:
            _judge(endpoint, outcome, now)
    return not outcome.failure


def _judge(endpoint: WebhookEndpoint, outcome: _Outcome, now: datetime) -> None:
    """What one attempt says of the endpoint itself; its row is locked."""
    if not outcome.failure:
        if endpoint.failing_since:
            endpoint.failing_since = None
            endpoint.save(update_fields=["failing_since"])
        return
    if outcome.status == _GONE:
        endpoints.give_up_on(endpoint=endpoint, reason=WebhookEndpoint.OffReason.GONE)
    elif endpoint.failing_since is None:
        endpoint.failing_since = now
        endpoint.save(update_fields=["failing_since"])
    elif now - endpoint.failing_since >= GIVEN_UP_AFTER:
        endpoints.give_up_on(endpoint=endpoint, reason=WebhookEndpoint.OffReason.FAILING)


def _wait_after(attempts: int) -> timedelta:
    # Whoever failed together does not come back together.
    return WAITS[attempts - 1] * (1 + random.uniform(0, _JITTER))  # noqa: S311 - no secret


def _end(endpoint_id: UUID, *, rests: bool) -> None:
    now = timezone.now()
    endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
    if endpoint is None:
        return
    until = None
    if rests and endpoint.failing_since:
        # As long as it has been failing already: seconds at first, so that one error holds up little.
        failing_for = max(now - endpoint.failing_since, WAITS[0] * 0.9)
        until = now + min(failing_for, _LONGEST_REST)
    WebhookEndpoint.objects.filter(pk=endpoint_id).update(busy_until=until)
