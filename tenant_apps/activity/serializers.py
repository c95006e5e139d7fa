"""What the API tells of webhooks and what it takes. Field rules are those of the models."""

from typing import Any

from rest_framework import serializers

from tenant_apps.activity.models import Notification, WebhookDelivery, WebhookEndpoint


class WebhookSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """An endpoint, without its secret."""

    event_types = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(["on", "failing", "off"], read_only=True)

    class Meta:
        model = WebhookEndpoint
        fields = [
            *("id", "url", "description", "event_types", "state", "failing_since"),
            *("switched_off_at", "off_reason", "former_secret_until", "created_at"),
        ]


class NewWebhookSerializer(WebhookSerializer):
    """An endpoint as it was just made: with its secret, this once."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]


class WebhookInput(serializers.Serializer[Any]):
    """An endpoint, as a client may say it."""

    url = serializers.CharField(max_length=2000)
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=60), min_length=1, max_length=100
    )


class SecretSerializer(serializers.Serializer[Any]):
    """A new secret, shown this once."""

    secret = serializers.CharField()
    former_secret_until = serializers.DateTimeField()


class EventTypeSerializer(serializers.Serializer[Any]):
    """One kind of event."""

    name = serializers.CharField()
    # The stubs know DRF's own attribute of this name alone.
    label = serializers.CharField()  # type: ignore[assignment]


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """One event on its way to one endpoint."""

    event_id = serializers.UUIDField(help_text="The header `webhook-id`.")
    type = serializers.CharField(source="event.type")
    happened_at = serializers.DateTimeField(source="event.happened_at")
    event_data: Any = serializers.DictField(source="event.data")

    class Meta:
        model = WebhookDelivery
        fields = [
            *("id", "event_id", "type", "happened_at", "event_data", "state", "attempts"),
            *("next_attempt_at", "last_attempt_at", "delivered_at", "duration_ms"),
            *("response_status", "response_body", "failure", "replayed_at"),
        ]
        read_only_fields = fields


class ReplayInput(serializers.Serializer[Any]):
    """From when on failed events are sent again."""

    since = serializers.DateTimeField()


class ReplayedSerializer(serializers.Serializer[Any]):
    """How many events are on their way again."""

    replayed = serializers.IntegerField()


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    """One sentence for oneself, and where it leads."""

    class Meta:
        model = Notification
        fields = ["id", "kind", "sentence", "path", "made_at", "read_at"]
        read_only_fields = fields


class ReadSerializer(serializers.Serializer[Any]):
    """How many were marked as read."""

    read = serializers.IntegerField()
