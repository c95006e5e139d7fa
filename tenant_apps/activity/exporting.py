"""What a take-out holds of the audit trail, notifications and webhooks; not their secrets."""

from collections.abc import Iterable, Iterator, Mapping

from tenant_apps.activity.models import Entry, Notification, WebhookDelivery, WebhookEndpoint

_CHUNK = 1_000


def export_rows() -> Iterator[tuple[str, Iterable[Mapping[str, object]]]]:
    """Files by name, each with its rows, read as they are asked for. Inside a transaction."""
    yield "entries", Entry.objects.order_by("id").values().iterator(_CHUNK)
    endpoints = WebhookEndpoint.objects.order_by("id")
    yield (
        "webhooks",
        endpoints.values(
            *("id", "url", "description", "event_types", "created_at", "created_by"),
            *("switched_off_at", "switched_off_by", "off_reason", "failing_since"),
        ).iterator(_CHUNK),
    )
    deliveries = WebhookDelivery.objects.order_by("id")
    yield (
        "webhook_deliveries",
        deliveries.values(
            *("id", "endpoint", "event", "event__type", "event__happened_at", "event__data"),
            *("state", "attempts", "last_attempt_at", "delivered_at", "response_status", "failure"),
        ).iterator(_CHUNK),
    )
    yield "notifications", Notification.objects.order_by("id").values().iterator(_CHUNK)
