"""What a product is made of, under /api/v1/: variants and their stock, options, pictures."""

from typing import Any, cast
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from tenant_apps.api.pagination import NewestFirst
from tenant_apps.images import ImageRefused
from tenant_apps.products import catalogue, permissions, pictures, selectors, stock
from tenant_apps.products.api import carried_out, checked
from tenant_apps.products.models import (
    MovementReason,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    StockMovement,
)
from tenant_apps.products.money import current_currency
from tenant_apps.products.serializers import (
    ImageChanges,
    ImageInput,
    ImageSerializer,
    MovementInput,
    MovementSerializer,
    OptionInput,
    OptionsSerializer,
    VariantInput,
    VariantSerializer,
)
from tenant_apps.users.models import User


class InTheirOrder(NewestFirst):
    """The parts of a product, as they stand on its page."""

    ordering = ("position", "id")  # type: ignore[assignment]  # the stubs know one name alone


def _product(request: Request, pk: UUID) -> Product:
    return get_object_or_404(permissions.visible_to(request.user), pk=pk)


def _user(request: Request) -> User:
    return cast("User", request.user)


class VariantsView(GenericAPIView[ProductVariant]):
    """The variants of a product."""

    pagination_class = InTheirOrder
    filter_backends = ()
    serializer_class = VariantSerializer

    @extend_schema(operation_id="product_variants", responses=VariantSerializer(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        """In their order."""
        page: Any = self.paginate_queryset(_product(request, pk).variants.all())
        return self.get_paginated_response(
            VariantSerializer(page, many=True, context={"currency": current_currency()}).data
        )

    @extend_schema(
        operation_id="product_variant_add", request=VariantInput, responses={201: VariantSerializer}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Add a variant."""
        permissions.require_change(request.user)
        product = _product(request, pk)
        variant = ProductVariant(product=product, **checked(VariantInput, request))
        return _keep_variant(request, product, variant, status=status.HTTP_201_CREATED)


class VariantView(GenericAPIView[ProductVariant]):
    """One variant: read with its product, changed or deleted by those who may change products."""

    needs_if_match = True
    serializer_class = VariantSerializer

    @extend_schema(operation_id="product_variant", responses=VariantSerializer)
    def get(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        variant = get_object_or_404(_product(request, pk).variants.all(), pk=variant_id)
        self.check_object_permissions(request, variant)
        return Response(VariantSerializer(variant, context={"currency": current_currency()}).data)

    @extend_schema(
        operation_id="product_variant_change", request=VariantInput, responses=VariantSerializer
    )
    def patch(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        """Change what is said, and leave the rest. Stock is moved by movements."""
        variant = self._variant(request, pk, variant_id)
        for name, value in checked(VariantInput, request, partial=True).items():
            setattr(variant, name, value)
        answer = _keep_variant(request, variant.product, variant, status=status.HTTP_200_OK)
        self.check_object_permissions(request, variant)
        return answer

    @extend_schema(operation_id="product_variant_delete", responses={204: None})
    def delete(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        """Delete it; its movements stay."""
        variant = self._variant(request, pk, variant_id)
        carried_out(
            lambda: catalogue.change_parts(
                product=variant.product, removed=[variant], by=_user(request)
            )
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _variant(self, request: Request, pk: UUID, variant_id: UUID) -> ProductVariant:
        permissions.require_change(request.user)
        variants = ProductVariant.objects.select_related("product")
        variant = get_object_or_404(variants, pk=variant_id, product=pk)
        self.check_object_permissions(request, variant)
        return variant


def _keep_variant(
    request: Request, product: Product, variant: ProductVariant, *, status: int
) -> Response:
    carried_out(
        lambda: catalogue.change_parts(
            product=product, kept=[variant], uncounted=[variant], by=_user(request)
        )
    )
    context = {"currency": current_currency()}
    return Response(VariantSerializer(variant, context=context).data, status=status)


class MovementsView(GenericAPIView[StockMovement]):
    """What moved a variant's stock. For those who may change products."""

    pagination_class = NewestFirst
    filter_backends = ()
    serializer_class = MovementSerializer

    @extend_schema(operation_id="product_movements", responses=MovementSerializer(many=True))
    def get(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        """The newest first."""
        permissions.require_change(request.user)
        variant = self._variant(pk, variant_id)
        page: Any = self.paginate_queryset(
            selectors.movements_of(product=variant.product, variant=variant)
        )
        return self.get_paginated_response(MovementSerializer(page, many=True).data)

    @extend_schema(
        operation_id="product_movement_add",
        request=MovementInput,
        responses={201: MovementSerializer, 204: None},
    )
    def post(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        """Move the stock, or count it. 204 where as many were counted as were known."""
        permissions.require_change(request.user)
        variant = self._variant(pk, variant_id)
        told = checked(MovementInput, request)
        movement: StockMovement | None
        if "quantity" in told:
            movement = carried_out(
                lambda: stock.count_stock(
                    variant=variant,
                    quantity=told["quantity"],
                    by=_user(request),
                    note=told["note"],
                )
            )
        else:
            movement = carried_out(
                lambda: stock.move_stock(
                    variant=variant,
                    delta=told["delta"],
                    reason=MovementReason(told["reason"]),
                    by=_user(request),
                    note=told["note"],
                )
            )
        if movement is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(MovementSerializer(movement).data, status=status.HTTP_201_CREATED)

    def _variant(self, pk: UUID, variant_id: UUID) -> ProductVariant:
        variants = ProductVariant.objects.select_related("product")
        return get_object_or_404(variants, pk=variant_id, product=pk)


class OptionsView(GenericAPIView[ProductOption]):
    """What a product's variants differ in: three names at most, the values stand on the variants."""

    needs_if_match = True
    serializer_class = OptionsSerializer

    @extend_schema(operation_id="product_options", responses=OptionsSerializer)
    def get(self, request: Request, pk: UUID) -> Response:
        """Their names, in their order. The ETag is the product's."""
        product = _product(request, pk)
        self.check_object_permissions(request, product)
        return self._answer(product)

    @extend_schema(
        operation_id="product_options_set", request=OptionInput, responses=OptionsSerializer
    )
    def put(self, request: Request, pk: UUID) -> Response:
        """Name them all anew."""
        permissions.require_change(request.user)
        product = _product(request, pk)
        self.check_object_permissions(request, product)
        names = checked(OptionInput, request)["options"]
        carried_out(lambda: catalogue.name_options(product=product, names=names, by=_user(request)))
        self.check_object_permissions(request, product)
        return self._answer(product)

    def _answer(self, product: Product) -> Response:
        names = list(product.options.order_by("position").values_list("name", flat=True))
        return Response(OptionsSerializer({"options": names}).data)


class ImagesView(GenericAPIView[ProductImage]):
    """The pictures of a product."""

    pagination_class = InTheirOrder
    filter_backends = ()
    serializer_class = ImageSerializer
    parser_classes = (MultiPartParser, JSONParser)

    @extend_schema(operation_id="product_images", responses=ImageSerializer(many=True))
    def get(self, request: Request, pk: UUID) -> Response:
        """In their order; the first one stands in lists."""
        page: Any = self.paginate_queryset(_product(request, pk).images.all())
        return self.get_paginated_response(ImageSerializer(page, many=True).data)

    @extend_schema(
        operation_id="product_image_add",
        request={"multipart/form-data": ImageInput, "application/json": ImageInput},
        responses={201: ImageSerializer},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Add a picture behind the others: a file, or the address of one that lies elsewhere."""
        permissions.require_change(request.user)
        product = _product(request, pk)
        told = checked(ImageInput, request)
        try:
            image = carried_out(
                lambda: pictures.add_picture(
                    product=product,
                    sent=told.get("file"),
                    url=told.get("url", ""),
                    alt=told["alt"],
                    by=_user(request),
                )
            )
        except ImageRefused as error:
            raise serializers.ValidationError({"file": [str(error)]}) from error
        return Response(ImageSerializer(image).data, status=status.HTTP_201_CREATED)


class ImageView(GenericAPIView[ProductImage]):
    """One picture of a product."""

    needs_if_match = True
    serializer_class = ImageSerializer

    @extend_schema(operation_id="product_image", responses=ImageSerializer)
    def get(self, request: Request, pk: UUID, image_id: UUID) -> Response:
        image = get_object_or_404(_product(request, pk).images.all(), pk=image_id)
        self.check_object_permissions(request, image)
        return Response(ImageSerializer(image).data)

    @extend_schema(
        operation_id="product_image_change", request=ImageChanges, responses=ImageSerializer
    )
    def patch(self, request: Request, pk: UUID, image_id: UUID) -> Response:
        """Say what it shows, or place it elsewhere."""
        image = self._image(request, pk, image_id)
        for name, value in checked(ImageChanges, request, partial=True).items():
            setattr(image, name, value)
        carried_out(
            lambda: catalogue.change_parts(product=image.product, kept=[image], by=_user(request))
        )
        self.check_object_permissions(request, image)
        return Response(ImageSerializer(image).data)

    @extend_schema(operation_id="product_image_delete", responses={204: None})
    def delete(self, request: Request, pk: UUID, image_id: UUID) -> Response:
        """Take it away, and its file where it is kept here."""
        image = self._image(request, pk, image_id)
        carried_out(
            lambda: catalogue.change_parts(
                product=image.product, removed=[image], by=_user(request)
            )
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _image(self, request: Request, pk: UUID, image_id: UUID) -> ProductImage:
        permissions.require_change(request.user)
        images = ProductImage.objects.select_related("product")
        image = get_object_or_404(images, pk=image_id, product=pk)
        self.check_object_permissions(request, image)
        return image
