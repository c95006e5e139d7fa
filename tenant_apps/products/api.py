"""Products under /api/v1/: read for all what is published, written by those whose role allows it."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.api.errors import WrongParameters
from tenant_apps.products import bulk, catalogue, permissions
from tenant_apps.products.csv_answers import answer_csv
from tenant_apps.products.errors import ProductError
from tenant_apps.products.file_formats import FORMATS
from tenant_apps.products.filters import ProductFilter
from tenant_apps.products.forms import ExportForm
from tenant_apps.products.models import Product, ProductQuerySet, State
from tenant_apps.products.money import current_currency
from tenant_apps.products.serializers import (
    BulkInput,
    BulkResultsSerializer,
    ProductInput,
    ProductSerializer,
)
from tenant_apps.users.models import User

Answer = TypeVar("Answer")

_EXPORTED = [
    OpenApiParameter("file_format", {"type": "string", "enum": list(FORMATS)}),
    OpenApiParameter("state", {"type": "string", "enum": State.values}),
    OpenApiParameter("category", {"type": "string"}, description="The slug of a category."),
]


def carried_out(verb: Callable[[], Answer], *, names: dict[str, str] | None = None) -> Answer:
    """Call a verb; where it refuses an input, say its sentence at the field.

    Args:
        names: how the request calls a field that the verb calls otherwise.
    Raises:
        ValidationError (400): an input is at fault.
        ProductError: as the verb; the API answers 409.
    """
    try:
        return verb()
    except ProductError as error:
        if not error.field:
            raise
        name = (names or {}).get(error.field, error.field)
        raise serializers.ValidationError({name: [str(error)]}) from error


def checked(form: type[serializers.Serializer[Any]], request: Request, **options: Any) -> Any:
    """What a client has said, if it can be used. Raises ValidationError (400)."""
    data = form(data=request.data, **options)
    data.is_valid(raise_exception=True)
    return data.validated_data


class ProductViewSet(GenericViewSet[Product]):
    """Read for all what is on sale; written by those whose role allows it."""

    serializer_class = ProductSerializer
    lookup_value_converter = "uuid"
    needs_if_match = True
    filterset_class = ProductFilter
    # Each has an index. By `published_at`, what is published alone.
    ordering_fields = ["id", "title", "updated_at", "published_at"]

    def get_queryset(self) -> ProductQuerySet:
        products = permissions.visible_to(self.request.user)
        is_list = self.action == "list"
        if is_list and "published_at" in self.request.query_params.get("ordering", ""):
            products = products.filter(state=State.PUBLISHED)
        return products.select_related("category").prefetch_related("options", "images", "variants")

    def list(self, request: Request) -> Response:
        """A page of products. In the order of `published_at` stand those that are on sale alone."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(
            ProductSerializer(page, many=True, context=self._with_currency()).data
        )

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(request=ProductInput, responses={201: ProductSerializer})
    def create(self, request: Request) -> Response:
        """Make a product, as a draft."""
        permissions.require_change(request.user)
        data = checked(ProductInput, request)
        product = carried_out(lambda: catalogue.add_product(product=Product(**data), by=self._user))
        return self._answer(product, status=status.HTTP_201_CREATED)

    @extend_schema(request=ProductInput, responses=ProductSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is said, and leave the rest."""
        permissions.require_change(request.user)
        product = self.get_object()
        data = checked(ProductInput, request, partial=True)
        carried_out(lambda: catalogue.change_product(product=product, changes=data, by=self._user))
        return self._answer(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete it, with its variants, pictures and movements of stock."""
        catalogue.delete_product(product=self.get_object(), by=self._user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Put it on sale."""
        return self._step(catalogue.publish_product)

    @extend_schema(request=None, responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def unpublish(self, request: Request, pk: str) -> Response:
        """Take it back to draft."""
        return self._step(catalogue.unpublish_product)

    @extend_schema(request=None, responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Take it off sale for good, and keep it."""
        return self._step(catalogue.archive_product)

    @extend_schema(request=None, responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def feature(self, request: Request, pk: str) -> Response:
        """Put it in front."""
        return self._step(catalogue.feature_product)

    @extend_schema(request=None, responses=ProductSerializer)
    @action(detail=True, methods=["post"])
    def unfeature(self, request: Request, pk: str) -> Response:
        """Put it back among the others."""
        return self._step(catalogue.unfeature_product)

    @extend_schema(request=BulkInput, responses=BulkResultsSerializer)
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """One change to many products, with what came of each."""
        permissions.require_change(request.user)
        told = checked(BulkInput, request)
        results = carried_out(
            lambda: bulk.change_many(
                keys=told["ids"],
                action=bulk.BulkAction(told["action"]),
                percent=told.get("percent"),
                category=told.get("category"),
                by=self._user,
            )
        )
        return Response(BulkResultsSerializer({"results": results}).data)

    @extend_schema(
        parameters=_EXPORTED,
        filters=False,
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=False, methods=["get"], filter_backends=[], pagination_class=None)
    def export(self, request: Request) -> HttpResponseBase:
        """All products as CSV, sent as they are read."""
        permissions.require_change(request.user)
        told = request.query_params
        # `format` is the framework's own parameter.
        form = ExportForm(
            {
                "format": told.get("file_format", ""),
                "state": told.get("state", ""),
                "category": told.get("category", ""),
            }
        )
        if not form.is_valid():
            called = {"format": "file_format"}
            raise WrongParameters(
                {called.get(name, name): told for name, told in form.sentences().items()}
            )
        return answer_csv(**form.chosen())

    def _step(self, verb: Callable[..., Product]) -> Response:
        product = self.get_object()
        carried_out(lambda: verb(product=product, by=self._user))
        # As it was moved: maybe to where this person doesn't see it any more.
        self.check_object_permissions(self.request, product)
        return self._answer(product)

    def _answer(self, product: Product, *, status: int = status.HTTP_200_OK) -> Response:
        context = self._with_currency()
        return Response(ProductSerializer(product, context=context).data, status=status)

    def _with_currency(self) -> dict[str, Any]:
        # Read once an answer, not once a product.
        return {**self.get_serializer_context(), "currency": current_currency()}

    @property
    def _user(self) -> User:
        return cast("User", self.request.user)
