"""What stands beside products, under /api/v1/: categories, reviews, low stock."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.activity.generation import current_generation
from tenant_apps.api.pagination import NewestFirst, Numbered
from tenant_apps.products import catalogue, permissions, reviews, selectors, stock_alerts
from tenant_apps.products.api import carried_out, checked
from tenant_apps.products.filters import ReviewFilter
from tenant_apps.products.models import Category, Review, StockAlert
from tenant_apps.products.serializers import (
    CategoryBranchSerializer,
    CategoryInput,
    CategorySerializer,
    ReviewInput,
    ReviewSerializer,
    StockAlertSerializer,
    WatchSerializer,
)
from tenant_apps.users.models import User


class ByPath(NewestFirst):
    """The names from the root on: what stands below something comes after it."""

    ordering = ("path", "id")  # type: ignore[assignment]  # the stubs know one name alone


class CategoryViewSet(GenericViewSet[Category]):
    """The categories of products: read by all, arranged by those who may change products."""

    pagination_class = ByPath
    lookup_value_converter = "int"
    serializer_class = CategorySerializer
    needs_if_match = True
    search_fields = ["name"]

    def get_queryset(self) -> QuerySet[Category]:
        return Category.objects.select_related("parent")

    def list(self, request: Request) -> Response:
        """By their paths."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(CategorySerializer(page, many=True).data)

    @extend_schema(responses=CategoryBranchSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=Numbered, filter_backends=[])
    def tree(self, request: Request) -> Response:
        """The categories that have something on sale, in or below them, as a tree's rows."""
        rows = selectors.category_tree(generation=current_generation())
        page: Any = self.paginate_queryset(cast("Any", rows))
        return self.get_paginated_response(CategoryBranchSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(CategorySerializer(self.get_object()).data)

    @extend_schema(request=CategoryInput, responses={201: CategorySerializer})
    def create(self, request: Request) -> Response:
        """Make a category."""
        permissions.require_change(request.user)
        category = self._placed(Category(**checked(CategoryInput, request)))
        return Response(CategorySerializer(category).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=CategoryInput, responses=CategorySerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename or move a category, with all below it."""
        permissions.require_change(request.user)
        category = self.get_object()
        for name, value in checked(CategoryInput, request, partial=True).items():
            setattr(category, name, value)
        self._placed(category)
        return Response(CategorySerializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Delete a category that has none below it; its products stay."""
        by, category = cast("User", request.user), self.get_object()
        carried_out(lambda: catalogue.delete_category(category=category, by=by))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _placed(self, category: Category) -> Category:
        by = cast("User", self.request.user)
        return carried_out(lambda: catalogue.place_category(category=category, by=by))


class ProductReviewsView(GenericAPIView[Review]):
    """The reviews of a product that are shown."""

    pagination_class = NewestFirst
    filter_backends = ()
    serializer_class = ReviewSerializer

    @extend_schema(operation_id="product_reviews", responses=ReviewSerializer(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        """The newest first."""
        product = get_object_or_404(permissions.visible_to(request.user), pk=pk)
        page: Any = self.paginate_queryset(selectors.shown_reviews(product))
        return self.get_paginated_response(ReviewSerializer(page, many=True).data)

    @extend_schema(
        operation_id="product_review_write", request=ReviewInput, responses={201: ReviewSerializer}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Write one's own, or write it anew; it is shown once somebody has approved it."""
        permissions.require_review(request.user)
        product = get_object_or_404(permissions.visible_to(request.user), pk=pk)
        told = checked(ReviewInput, request)
        review = carried_out(
            lambda: reviews.write_review(product=product, by=cast("User", request.user), **told)
        )
        return Response(ReviewSerializer(review).data, status=status.HTTP_201_CREATED)


class ReviewViewSet(GenericViewSet[Review]):
    """The queue of those who moderate; an author reads and deletes their own."""

    lookup_value_converter = "uuid"
    serializer_class = ReviewSerializer
    filterset_class = ReviewFilter

    def get_queryset(self) -> QuerySet[Review]:
        return selectors.reviews_for(self.request.user)

    def list(self, request: Request) -> Response:
        """All for those who moderate, else one's own."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(ReviewSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(ReviewSerializer(self.get_object()).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it; the product's stars are counted anew."""
        reviews.delete_review(review=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Show it."""
        return self._decide(reviews.approve_review)

    @extend_schema(request=None, responses=ReviewSerializer)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Don't show it."""
        return self._decide(reviews.refuse_review)

    def _decide(self, verb: Callable[..., Review]) -> Response:
        review, by = self.get_object(), cast("User", self.request.user)
        carried_out(lambda: verb(review=review, by=by))
        self.check_object_permissions(self.request, review)
        return Response(ReviewSerializer(review).data)


class StockAlertViewSet(GenericViewSet[StockAlert]):
    """What has fallen low, for those who may change products."""

    serializer_class = StockAlertSerializer
    filter_backends = ()

    def get_queryset(self) -> QuerySet[StockAlert]:
        if not permissions.can_change(self.request.user):
            return StockAlert.objects.none()
        return selectors.low_in_stock()

    def list(self, request: Request) -> Response:
        """What has fallen low and is not stocked again, the newest first."""
        permissions.require_change(request.user)
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(StockAlertSerializer(page, many=True).data)

    @extend_schema(responses=WatchSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def watch(self, request: Request) -> Response:
        """Whether one gets a letter when stock runs low."""
        permissions.require_change(request.user)
        return self._watching(request)

    @extend_schema(request=WatchSerializer, responses=WatchSerializer)
    @watch.mapping.put
    def set_watch(self, request: Request) -> Response:
        """Ask for those letters, or for no more of them."""
        permissions.require_change(request.user)
        by = cast("User", request.user)
        if checked(WatchSerializer, request)["watching"]:
            stock_alerts.watch_stock(by=by)
        else:
            stock_alerts.stop_watching_stock(by=by)
        return self._watching(request)

    def _watching(self, request: Request) -> Response:
        watching = stock_alerts.is_watching(cast("User", request.user))
        return Response(WatchSerializer({"watching": watching}).data)
