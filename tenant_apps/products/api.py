"""Products under /api/v1/: read for all what is published."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from tenant_apps.products import permissions
from tenant_apps.products.models import (
    Category,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
)
from tenant_apps.products.money import current_currency, format_number


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

    def _with_currency(self) -> dict[str, Any]:
        # Read once an answer, not once a product.
        return {**self.get_serializer_context(), "currency": current_currency()}
