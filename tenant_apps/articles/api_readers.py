"""What readers say, and who gets letters, under /api/v1/: for moderators and those who look after
subscribers."""

from collections.abc import Callable
from typing import cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.articles import commenting, permissions, subscribing
from tenant_apps.articles.api import checked
from tenant_apps.articles.filters import CommentFilter, SubscriberFilter
from tenant_apps.articles.models import Comment, CommentState, Subscriber
from tenant_apps.articles.serializers import (
    BulkCommentInput,
    BulkDecidedSerializer,
    QueuedCommentSerializer,
    SubscriberSerializer,
)
from tenant_apps.users.models import User


class CommentViewSet(GenericViewSet[Comment]):
    """The moderators' queue; nobody else finds anything here."""

    lookup_value_converter = "uuid"
    serializer_class = QueuedCommentSerializer
    filterset_class = CommentFilter

    def get_queryset(self) -> QuerySet[Comment]:
        if not permissions.can_moderate(self.request.user):
            return Comment.objects.none()
        comments = Comment.objects.select_related("article")
        if self.action == "list" and not self.request.query_params.get("state"):
            return comments.filter(state=CommentState.PENDING)
        return comments

    def list(self, request: Request) -> Response:
        """Those that wait for a decision, or are in another state; the newest first."""
        permissions.require_moderate(request.user)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(QueuedCommentSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(QueuedCommentSerializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete its words; its place stays where others have answered."""
        commenting.remove_comment(comment=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=QueuedCommentSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Show it."""
        return self._moderate(commenting.approve_comment)

    @extend_schema(request=None, responses=QueuedCommentSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Don't show it, and keep it."""
        return self._moderate(commenting.reject_comment)

    @extend_schema(request=BulkCommentInput, responses=BulkDecidedSerializer)
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """One decision on many comments, with what came of each."""
        permissions.require_moderate(request.user)
        told = checked(BulkCommentInput, request)
        decided = commenting.decide_many(
            keys=told["ids"],
            decision=commenting.Decision(told["action"]),
            by=cast("User", request.user),
        )
        return Response(BulkDecidedSerializer({"results": decided}).data)

    def _moderate(self, verb: Callable[..., Comment]) -> Response:
        comment = self.get_object()
        verb(comment=comment, by=cast("User", self.request.user))
        self.check_object_permissions(self.request, comment)
        return Response(QueuedCommentSerializer(comment).data)


class SubscriberViewSet(GenericViewSet[Subscriber]):
    """Who gets letters about new articles, for those who look after them."""

    lookup_value_converter = "uuid"
    serializer_class = SubscriberSerializer
    filterset_class = SubscriberFilter
    search_fields = ["email"]

    def get_queryset(self) -> QuerySet[Subscriber]:
        if not permissions.can_manage_subscribers(self.request.user):
            return Subscriber.objects.none()
        return Subscriber.objects.all()

    def list(self, request: Request) -> Response:
        """The newest first."""
        permissions.require_manage_subscribers(request.user)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(SubscriberSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(SubscriberSerializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take an address off the list."""
        subscribing.remove_subscriber(subscriber=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)
