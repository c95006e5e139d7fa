"""Products under /api/v1/: read for all what is published, written by those whose role allows it."""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from uuid import UUID

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.products import permissions, selectors, stock
from tenant_apps.products.csv_answers import answer_csv
from tenant_apps.products.errors import ProductError
from tenant_apps.products.forms import ExportForm
from tenant_apps.products.models import (
    Category,
    MovementReason,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    StockMovement,
)
from tenant_apps.products.money import current_currency, format_number
from tenant_apps.users.models import User

Answer = TypeVar("Answer")


class Conflict(APIException):
    """The request was understood, and the product is not where it could be carried out."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


def carried_out(verb: Callable[[], Answer], *, names: dict[str, str] | None = None) -> Answer:
    """Call a verb; where it refuses, answer with its sentence at the field that is at fault.

    Args:
        names: how the request calls a field that the verb calls otherwise.
    Raises:
        ValidationError (400): an input is at fault.
        Conflict (409): the product is not where the step starts from.
    """
    try:
        return verb()
    except ProductError as error:
        if error.field:
            name = (names or {}).get(error.field, error.field)
            raise serializers.ValidationError({name: [str(error)]}) from error
        raise Conflict(str(error)) from error


class NewestFirst(CursorPagination):
    # UUIDv7: the key's order is the order of making, unique and never null.
    ordering = "-id"
    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100


class ImageSerializer(serializers.ModelSerializer[ProductImage]):
    class Meta:
        model = ProductImage
        fields = ["url", "alt", "position"]


class OptionSerializer(serializers.ModelSerializer[ProductOption]):
    class Meta:
        model = ProductOption
        fields = ["position", "name"]


class VariantSerializer(serializers.ModelSerializer[ProductVariant]):
    """Amounts both in minor units and as decimals, in the currency of the answer."""

    price = serializers.SerializerMethodField()

    class Meta:
        model = ProductVariant
        fields = [
            *("id", "position", "option1", "option2", "option3", "sku", "barcode", "price"),
            *("price_minor", "compare_at_minor", "weight_grams", "is_sold_out"),
        ]

    def get_price(self, variant: ProductVariant) -> str:
        return format_number(variant.price_minor, self.context["currency"])


class ProductSerializer(serializers.ModelSerializer[Product]):
    variants = VariantSerializer(many=True, read_only=True)
    options = OptionSerializer(many=True, read_only=True)
    images = ImageSerializer(many=True, read_only=True)
    category: serializers.SlugRelatedField[Category] = serializers.SlugRelatedField(
        "slug", read_only=True
    )
    path = serializers.CharField(source="get_absolute_url", read_only=True)
    currency = serializers.SerializerMethodField()

    class Meta:
        model = Product
        fields = [
            *(
                "id",
                "title",
                "handle",
                "path",
                "description_html",
                "vendor",
                "product_type",
                "category",
            ),
            *(
                "tags",
                "state",
                "published_at",
                "updated_at",
                "currency",
                "options",
                "variants",
                "images",
            ),
        ]

    def get_currency(self, product: Product) -> str:
        currency: str = self.context["currency"]
        return currency


class ProductViewSet(GenericViewSet[Product]):
    pagination_class = NewestFirst
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Product]:
        return (
            permissions.visible_to(self.request.user)
            .select_related("category")
            .prefetch_related("options", "images", "variants")
        )

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(
            ProductSerializer(page, many=True, context=self._with_currency()).data
        )

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(ProductSerializer(self.get_object(), context=self._with_currency()).data)

    @action(detail=False, methods=["get"])
    def export(self, request: Request) -> HttpResponseBase:
        """All products as CSV, as they are read: `?file_format=`, `state`, `category`.

        `format` is the framework's own parameter.
        """
        permissions.require_change(request.user)
        form = ExportForm(
            {
                "format": request.query_params.get("file_format", ""),
                "state": request.query_params.get("state", ""),
                "category": request.query_params.get("category", ""),
            }
        )
        if not form.is_valid():
            errors = {
                {"format": "file_format"}.get(name, name): sentences
                for name, sentences in form.sentences().items()
            }
            raise serializers.ValidationError(errors)
        return answer_csv(**form.chosen())

    def _with_currency(self) -> dict[str, Any]:
        # Read once an answer, not once a product.
        return {**self.get_serializer_context(), "currency": current_currency()}


class PersonSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "full_name"]


class MovementSerializer(serializers.ModelSerializer[StockMovement]):
    by = PersonSerializer(read_only=True)

    class Meta:
        model = StockMovement
        fields = ["id", "delta", "quantity_after", "reason", "note", "at", "by"]


class MovementInput(serializers.Serializer[Any]):
    """Pieces that come or go (`delta`), or that were counted (`quantity`): one of the two."""

    delta = serializers.IntegerField(
        required=False, min_value=-stock.MAX_PIECES, max_value=stock.MAX_PIECES
    )
    quantity = serializers.IntegerField(
        required=False, min_value=-stock.MAX_PIECES, max_value=stock.MAX_PIECES
    )
    reason = serializers.ChoiceField(
        choices=[
            choice
            for choice in MovementReason.choices
            if choice[0] not in {MovementReason.COUNTED, MovementReason.IMPORTED}
        ],
        required=False,
    )
    note = serializers.CharField(max_length=200, allow_blank=True, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("delta" in attrs) == ("quantity" in attrs):
            raise serializers.ValidationError(
                {"delta": ["Write either how many pieces come or go, or how many were counted."]}
            )
        if "delta" in attrs and "reason" not in attrs:
            raise serializers.ValidationError({"reason": ["Say why the stock changes."]})
        return attrs


class MovementPages(CursorPagination):
    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class MovementsView(GenericAPIView[StockMovement]):
    """What moved a variant's stock, newest first; POST moves it. For those who may change products."""

    pagination_class = MovementPages

    def get(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        permissions.require_change(request.user)
        variant = self._variant(pk, variant_id)
        page = self.paginate_queryset(
            selectors.movements_of(product=variant.product, variant=variant)
        )
        return self.get_paginated_response(MovementSerializer(page, many=True).data)

    def post(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        permissions.require_change(request.user)
        variant = self._variant(pk, variant_id)
        data = MovementInput(data=request.data)
        data.is_valid(raise_exception=True)
        told = data.validated_data
        by, note = cast("User", request.user), told["note"]
        if "quantity" in told:
            movement = carried_out(
                lambda: stock.count_stock(
                    variant=variant, quantity=told["quantity"], by=by, note=note
                )
            )
        else:
            movement = carried_out(
                lambda: stock.move_stock(
                    variant=variant,
                    delta=told["delta"],
                    reason=MovementReason(told["reason"]),
                    by=by,
                    note=note,
                )
            )
        if movement is None:  # as many as were known
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(MovementSerializer(movement).data, status=status.HTTP_201_CREATED)

    def _variant(self, pk: UUID, variant_id: UUID) -> ProductVariant:
        variants = ProductVariant.objects.select_related("product")
        return get_object_or_404(variants, pk=variant_id, product=pk)
