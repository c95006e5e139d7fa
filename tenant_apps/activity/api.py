"""Webhooks under /api/v1/webhooks/, for whoever may manage them, and one's own notifications."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters.rest_framework import BooleanFilter, FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from tenant_apps.activity import endpoints, notifications, webhooks
from tenant_apps.activity.errors import WebhookError
from tenant_apps.activity.event_types import registered_event_types
from tenant_apps.activity.models import Notification, WebhookDelivery, WebhookEndpoint
from tenant_apps.activity.permissions import can_manage_webhooks
from tenant_apps.activity.serializers import (
    DeliverySerializer,
    EventTypeSerializer,
    NewWebhookSerializer,
    NotificationSerializer,
    ReadSerializer,
    ReplayedSerializer,
    ReplayInput,
    SecretSerializer,
    WebhookInput,
    WebhookSerializer,
)
from tenant_apps.api.lost_updates import LostUpdates, OnceOnly

Answer = TypeVar("Answer")


class MayManageWebhooks(BasePermission):
    """Whoever may see and change webhooks."""

    message = "Your role does not let you manage webhooks."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return can_manage_webhooks(request.user)


class WebhookViewSet(GenericViewSet[WebhookEndpoint]):
    """The addresses that events are sent to."""

    permission_classes = [MayManageWebhooks, LostUpdates, OnceOnly]
    serializer_class = WebhookSerializer
    lookup_value_converter = "uuid"
    needs_if_match = True
    # A secret that is shown once is kept nowhere.
    keeps_answers = False

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        return WebhookEndpoint.objects.all()

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(WebhookSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(WebhookSerializer(self.get_object()).data)

    @extend_schema(request=WebhookInput, responses={201: NewWebhookSerializer})
    def create(self, request: Request) -> Response:
        """Have events sent to an address; this answer alone shows the secret."""
        data = _checked(WebhookInput, request)
        made, secret = _carried_out(lambda: endpoints.add_endpoint(**data, by=_person(request)))
        shown = {**WebhookSerializer(made).data, "secret": secret}
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(request=WebhookInput, responses=WebhookSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change its address, types or description."""
        endpoint = self.get_object()
        changes = dict(_checked(WebhookInput, request, partial=True))
        _carried_out(
            lambda: endpoints.change_endpoint(
                endpoint=endpoint, changes=changes, by=_person(request)
            )
        )
        return self._now()

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it, with the log of what was sent to it."""
        endpoints.delete_endpoint(endpoint=self.get_object(), by=_person(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=SecretSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """A new secret; for 24 hours events are signed with the former one too."""
        endpoint = self.get_object()
        secret = endpoints.rotate_secret(endpoint=endpoint, by=_person(request))
        shown = {"secret": secret, "former_secret_until": endpoint.former_secret_until}
        return Response(SecretSerializer(shown).data)

    @extend_schema(request=None, responses=WebhookSerializer)
    @action(detail=True, methods=["post"], url_path="switch-on")
    def switch_on(self, request: Request, pk: str) -> Response:
        """Send it events again, from now on."""
        endpoints.switch_on(endpoint=self.get_object(), by=_person(request))
        return self._now()

    @extend_schema(request=None, responses=WebhookSerializer)
    @action(detail=True, methods=["post"], url_path="switch-off")
    def switch_off(self, request: Request, pk: str) -> Response:
        """Send it nothing any more."""
        endpoints.switch_off(endpoint=self.get_object(), by=_person(request))
        return self._now()

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send it an event of type `webhook.test`."""
        delivery = webhooks.send_test_event(endpoint=self.get_object(), by=_person(request))
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=ReplayInput, responses={202: ReplayedSerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Send all events again that failed since a time."""
        endpoint = self.get_object()
        since = _checked(ReplayInput, request)["since"]
        count = webhooks.replay_failed(endpoint=endpoint, since=since, by=_person(request))
        return Response({"replayed": count}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=EventTypeSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], url_path="event-types", pagination_class=None)
    def event_types(self, request: Request) -> Response:
        """What there is to be told of."""
        known = [{"name": one.name, "label": one.label} for one in registered_event_types()]
        return Response(known)

    def _now(self) -> Response:
        return Response(WebhookSerializer(self.get_object()).data)


class NotificationFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types
    unread = BooleanFilter(
        field_name="read_at", lookup_expr="isnull", label="Those that were not read yet"
    )

    class Meta:
        model = Notification
        fields = ["kind"]


class MyNotifications(GenericViewSet[Notification]):
    """What one was told, the newest first."""

    # As all that is one's own.
    scope = "users"
    permission_classes = [IsAuthenticated, LostUpdates, OnceOnly]
    serializer_class = NotificationSerializer
    lookup_value_converter = "uuid"
    filterset_class = NotificationFilter

    def get_queryset(self) -> QuerySet[Notification]:
        if not self.request.user.is_authenticated:
            return Notification.objects.none()
        return Notification.objects.shown_to(_person(self.request))

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(NotificationSerializer(page, many=True).data)

    @extend_schema(request=None, responses=NotificationSerializer)
    @action(detail=True, methods=["post"])
    def read(self, request: Request, pk: str) -> Response:
        """Mark it as read."""
        found = notifications.mark_read(notification=self.get_object())
        return Response(NotificationSerializer(found).data)

    @extend_schema(request=None, responses=ReadSerializer, filters=False)
    @action(detail=False, methods=["post"], url_path="read")
    def read_all(self, request: Request) -> Response:
        """Mark all as read."""
        return Response({"read": notifications.mark_all_read(person=_person(request))})


class DeliveryViewSet(GenericViewSet[WebhookDelivery]):
    """The log of one endpoint: each event with how its last attempt went. Kept for 30 days."""

    permission_classes = [MayManageWebhooks, LostUpdates, OnceOnly]
    serializer_class = DeliverySerializer
    lookup_value_converter = "uuid"
    filterset_fields = {"state": ["exact"], "event__type": ["exact"]}

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        rows = WebhookDelivery.objects.select_related("event", "endpoint")
        return rows.filter(endpoint=self.kwargs.get("endpoint_id"))

    def list(self, request: Request, endpoint_id: str) -> Response:
        # A log of nothing is told from a log of nobody's.
        self._require_endpoint()
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(DeliverySerializer(page, many=True).data)

    def retrieve(self, request: Request, endpoint_id: str, pk: str) -> Response:
        return Response(DeliverySerializer(self.get_object()).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, endpoint_id: str, pk: str) -> Response:
        """Send this event once more, under the same id."""
        sent = webhooks.replay_delivery(delivery=self.get_object(), by=_person(request))
        return Response(DeliverySerializer(sent).data, status=status.HTTP_202_ACCEPTED)

    def _require_endpoint(self) -> None:
        get_object_or_404(WebhookEndpoint, pk=self.kwargs["endpoint_id"])


def _checked(form: type[serializers.Serializer[Any]], request: Request, **options: Any) -> Any:
    data = form(data=request.data, context={"request": request}, **options)
    data.is_valid(raise_exception=True)
    return data.validated_data


def _carried_out(verb: Callable[[], Answer]) -> Answer:
    """What a verb refuses for one field is an error of that field (400)."""
    try:
        return verb()
    except WebhookError as error:
        if error.field:
            raise serializers.ValidationError({error.field: [str(error)]}) from error
        raise


def _person(request: Request) -> AbstractBaseUser:
    return cast("AbstractBaseUser", request.user)
