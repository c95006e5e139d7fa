"""Products under /api/v1/: read for all what is published, written by those whose role allows it."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast
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

from tenant_apps.products import bulk, catalogue, permissions, reviews, selectors, stock
from tenant_apps.products.csv_answers import answer_csv
from tenant_apps.products.errors import ProductError
from tenant_apps.products.forms import ExportForm, WishesForm
from tenant_apps.products.models import (
    HANDLE_LENGTH,
    REVIEW_LENGTH,
    Category,
    MovementReason,
    Product,
    ProductImage,
    ProductOption,
    ProductQuerySet,
    ProductVariant,
    Review,
    StockMovement,
)
from tenant_apps.products.money import MAX_MINOR, current_currency, format_number
from tenant_apps.products.search import Order, find_products
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

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        """The key's order, or what the client asks for of what a cursor can stand on."""
        orders = {Order.TITLE.value: ("title", "id")}
        return orders.get(request.query_params.get("order", ""), ("-id",))


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
                "is_featured",
                "rating",
                "review_count",
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


class ProductInput(serializers.Serializer[Any]):
    """What a client may say of a product."""

    title = serializers.CharField(max_length=255)
    handle = serializers.SlugField(max_length=HANDLE_LENGTH, allow_unicode=True, required=False)
    description_html = serializers.CharField(allow_blank=True, required=False)
    vendor = serializers.CharField(max_length=255, allow_blank=True, required=False)
    product_type = serializers.CharField(max_length=255, allow_blank=True, required=False)
    category: ClassVar[Any] = serializers.SlugRelatedField(
        "slug", queryset=Category.objects.none(), allow_null=True, required=False
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=255), max_length=250, required=False
    )
    seo_title = serializers.CharField(max_length=255, allow_blank=True, required=False)
    seo_description = serializers.CharField(max_length=5_000, allow_blank=True, required=False)
    is_gift_card = serializers.BooleanField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """With this tenant's categories: a queryset on the class would belong to no tenant."""
        return with_categories(super().get_fields(), "category")


class BulkInput(serializers.Serializer[Any]):
    """One change to many products."""

    action = serializers.ChoiceField(choices=bulk.BulkAction.choices)
    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1)
    percent = serializers.DecimalField(max_digits=7, decimal_places=2, required=False)
    category: ClassVar[Any] = serializers.SlugRelatedField(
        "slug", queryset=Category.objects.none(), allow_null=True, required=False
    )

    def get_fields(self) -> dict[str, Any]:
        return with_categories(super().get_fields(), "category")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["action"] == bulk.BulkAction.SET_CATEGORY and "category" not in attrs:
            raise serializers.ValidationError({"category": ["Name a category, or null for none."]})
        return attrs


def with_categories(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """The fields, which choose among this tenant's categories."""
    for name in names:
        fields[name].queryset = Category.objects.all()
    return fields


class ProductViewSet(GenericViewSet[Product]):
    pagination_class = NewestFirst
    lookup_value_converter = "uuid"

    def get_queryset(self) -> ProductQuerySet:
        return (
            permissions.visible_to(self.request.user)
            .select_related("category")
            .prefetch_related("options", "images", "variants")
        )

    def list(self, request: Request) -> Response:
        """`?q=`, `category`, `price_from`, `price_to`, `in_stock`; `order` is `newest` or `title`."""
        page = self.paginate_queryset(self._wished_for(request))
        return self.get_paginated_response(
            ProductSerializer(page, many=True, context=self._with_currency()).data
        )

    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    def create(self, request: Request) -> Response:
        data = self._checked(ProductInput(data=request.data))
        product = carried_out(lambda: catalogue.add_product(product=Product(**data), by=self._user))
        return self._answer(product, status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: str) -> Response:
        product = self.get_object()
        data = self._checked(ProductInput(data=request.data, partial=True))
        carried_out(lambda: catalogue.change_product(product=product, changes=data, by=self._user))
        return self._answer(self.get_object())

    def destroy(self, request: Request, pk: str) -> Response:
        catalogue.delete_product(product=self.get_object(), by=self._user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        return self._step(catalogue.publish_product)

    @action(detail=True, methods=["post"])
    def unpublish(self, request: Request, pk: str) -> Response:
        return self._step(catalogue.unpublish_product)

    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        return self._step(catalogue.archive_product)

    @action(detail=True, methods=["post"])
    def feature(self, request: Request, pk: str) -> Response:
        return self._step(catalogue.feature_product)

    @action(detail=True, methods=["post"])
    def unfeature(self, request: Request, pk: str) -> Response:
        return self._step(catalogue.unfeature_product)

    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """One change to many products, with what came of each."""
        permissions.require_change(request.user)
        told = self._checked(BulkInput(data=request.data))
        results = carried_out(
            lambda: bulk.change_many(
                keys=told["ids"],
                action=bulk.BulkAction(told["action"]),
                percent=told.get("percent"),
                category=told.get("category"),
                by=self._user,
            )
        )
        return Response(
            {
                "results": [
                    {"id": result.key, "done": result.done, "error": result.sentence}
                    for result in results
                ]
            }
        )

    def _wished_for(self, request: Request) -> QuerySet[Product]:
        told = request.query_params
        form = WishesForm(
            {name: told[name] for name in told if name != "order"}, currency=current_currency
        )
        errors = (
            {}
            if form.is_valid()
            else {name: list(map(str, form.errors[name])) for name in form.errors}
        )
        order = told.get("order", "newest")
        if order not in {Order.NEWEST, Order.TITLE}:
            errors["order"] = [f'There is no order "{order[:40]}": newest or title.']
        category = None
        if slug := told.get("category"):
            category = Category.objects.filter(slug=slug.replace("\x00", "")).first()
            if category is None:
                errors["category"] = [f'There is no category "{slug[:40]}".']
        if errors:
            raise serializers.ValidationError(errors)
        return find_products(self.get_queryset(), form.wishes(category=category))

    def _step(self, verb: Callable[..., Product]) -> Response:
        product = self.get_object()
        carried_out(lambda: verb(product=product, by=self._user))
        return self._answer(product)

    def _checked(self, data: serializers.Serializer[Any]) -> dict[str, Any]:
        data.is_valid(raise_exception=True)
        return dict(data.validated_data)

    def _answer(self, product: Product, *, status: int = status.HTTP_200_OK) -> Response:
        context = self._with_currency()
        return Response(ProductSerializer(product, context=context).data, status=status)

    @property
    def _user(self) -> User:
        return cast("User", self.request.user)

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


class VariantInput(serializers.Serializer[Any]):
    """What a client may say of a variant. Its stock is moved by its movements."""

    position = serializers.IntegerField(min_value=0, max_value=100_000, required=False)
    option1 = serializers.CharField(max_length=255, allow_blank=True, required=False)
    option2 = serializers.CharField(max_length=255, allow_blank=True, required=False)
    option3 = serializers.CharField(max_length=255, allow_blank=True, required=False)
    sku = serializers.CharField(max_length=255, allow_blank=True, required=False)
    barcode = serializers.CharField(max_length=255, allow_blank=True, required=False)
    price_minor = serializers.IntegerField(min_value=0, max_value=MAX_MINOR)
    compare_at_minor = serializers.IntegerField(
        min_value=0, max_value=MAX_MINOR, allow_null=True, required=False
    )
    cost_minor = serializers.IntegerField(
        min_value=0, max_value=MAX_MINOR, allow_null=True, required=False
    )
    weight_grams = serializers.IntegerField(min_value=0, max_value=10**9, required=False)
    tracks_stock = serializers.BooleanField(required=False)
    sells_when_out = serializers.BooleanField(required=False)
    low_stock_at = serializers.IntegerField(
        min_value=0, max_value=10**9, allow_null=True, required=False
    )


class VariantsView(GenericAPIView[ProductVariant]):
    """The variants of a product; POST adds one."""

    pagination_class = None

    def get(self, request: Request, pk: UUID) -> Response:
        product = get_object_or_404(permissions.visible_to(request.user), pk=pk)
        context = {"currency": current_currency()}
        return Response(VariantSerializer(product.variants.all(), many=True, context=context).data)

    def post(self, request: Request, pk: UUID) -> Response:
        permissions.require_change(request.user)
        product = get_object_or_404(permissions.visible_to(request.user), pk=pk)
        data = VariantInput(data=request.data)
        data.is_valid(raise_exception=True)
        variant = ProductVariant(product=product, **data.validated_data)
        return _keep_variant(request, product, variant, status=status.HTTP_201_CREATED)


class VariantView(GenericAPIView[ProductVariant]):
    """One variant: read with its product, changed or deleted by those who may change products."""

    def get(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        product = get_object_or_404(permissions.visible_to(request.user), pk=pk)
        variant = get_object_or_404(product.variants.all(), pk=variant_id)
        context = {"currency": current_currency()}
        return Response(VariantSerializer(variant, context=context).data)

    def patch(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        variant = self._variant(request, pk, variant_id)
        data = VariantInput(data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        for name, value in data.validated_data.items():
            setattr(variant, name, value)
        return _keep_variant(request, variant.product, variant, status=status.HTTP_200_OK)

    def delete(self, request: Request, pk: UUID, variant_id: UUID) -> Response:
        variant = self._variant(request, pk, variant_id)
        by = cast("User", request.user)
        carried_out(
            lambda: catalogue.change_parts(product=variant.product, removed=[variant], by=by)
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _variant(self, request: Request, pk: UUID, variant_id: UUID) -> ProductVariant:
        permissions.require_change(request.user)
        variants = ProductVariant.objects.select_related("product")
        return get_object_or_404(variants, pk=variant_id, product=pk)


def _keep_variant(
    request: Request, product: Product, variant: ProductVariant, *, status: int
) -> Response:
    by = cast("User", request.user)
    carried_out(
        lambda: catalogue.change_parts(product=product, kept=[variant], uncounted=[variant], by=by)
    )
    context = {"currency": current_currency()}
    return Response(VariantSerializer(variant, context=context).data, status=status)


class CategorySerializer(serializers.ModelSerializer[Category]):
    # A field's own name for what it stands in; the class's meta takes declared fields away.
    parent: Any = serializers.SlugRelatedField("slug", read_only=True)

    class Meta:
        model = Category
        fields = ["id", "name", "slug", "path", "parent"]


class CategoryInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    slug = serializers.SlugField(max_length=140, allow_unicode=True)
    parent: Any = serializers.SlugRelatedField(
        "slug", queryset=Category.objects.none(), allow_null=True, required=False
    )

    def get_fields(self) -> dict[str, Any]:
        return with_categories(super().get_fields(), "parent")


class CategoryPages(CursorPagination):
    ordering = ("path", "id")
    page_size = 100


class CategoryViewSet(GenericViewSet[Category]):
    """The tree of categories: read by all, arranged by those who may change products."""

    pagination_class = CategoryPages
    lookup_value_converter = "int"
    serializer_class = CategorySerializer

    def get_queryset(self) -> QuerySet[Category]:
        return Category.objects.select_related("parent")

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(CategorySerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: int) -> Response:
        return Response(CategorySerializer(self.get_object()).data)

    def create(self, request: Request) -> Response:
        permissions.require_change(request.user)
        data = CategoryInput(data=request.data)
        data.is_valid(raise_exception=True)
        return self._place(Category(**data.validated_data), status=status.HTTP_201_CREATED)

    def partial_update(self, request: Request, pk: int) -> Response:
        permissions.require_change(request.user)
        category = self.get_object()
        data = CategoryInput(data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        for name, value in data.validated_data.items():
            setattr(category, name, value)
        return self._place(category, status=status.HTTP_200_OK)

    def destroy(self, request: Request, pk: int) -> Response:
        by, category = cast("User", request.user), self.get_object()
        carried_out(lambda: catalogue.delete_category(category=category, by=by))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _place(self, category: Category, *, status: int) -> Response:
        by = cast("User", self.request.user)
        carried_out(lambda: catalogue.place_category(category=category, by=by))
        return Response(CategorySerializer(category).data, status=status)


class ReviewSerializer(serializers.ModelSerializer[Review]):
    author = PersonSerializer(read_only=True)
    product: Any = serializers.PrimaryKeyRelatedField(read_only=True)

    class Meta:
        model = Review
        fields = ["id", "product", "author", "stars", "text", "state", "written_at", "decided_at"]


class ReviewInput(serializers.Serializer[Any]):
    stars = serializers.IntegerField(
        min_value=1,
        max_value=reviews.MAX_STARS,
        error_messages={"min_value": "Give 1 to 5 stars.", "max_value": "Give 1 to 5 stars."},
    )
    text = serializers.CharField(
        max_length=REVIEW_LENGTH, allow_blank=True, required=False, default=""
    )


class ReviewPages(CursorPagination):
    ordering = "-id"
    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100


class ProductReviewsView(GenericAPIView[Review]):
    """The reviews of a product that are shown; POST writes one's own, or writes it anew."""

    pagination_class = ReviewPages

    def get(self, request: Request, pk: UUID) -> Response:
        product = get_object_or_404(permissions.visible_to(request.user), pk=pk)
        page = self.paginate_queryset(selectors.shown_reviews(product))
        return self.get_paginated_response(ReviewSerializer(page, many=True).data)

    def post(self, request: Request, pk: UUID) -> Response:
        permissions.require_review(request.user)
        product = get_object_or_404(permissions.visible_to(request.user), pk=pk)
        data = ReviewInput(data=request.data)
        data.is_valid(raise_exception=True)
        review = carried_out(
            lambda: reviews.write_review(
                product=product, by=cast("User", request.user), **data.validated_data
            )
        )
        return Response(ReviewSerializer(review).data, status=status.HTTP_201_CREATED)


class ReviewViewSet(GenericViewSet[Review]):
    """The queue of those who moderate (`?state=waiting`); an author reads and deletes their own."""

    pagination_class = ReviewPages
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Review]:
        found = selectors.reviews_for(self.request.user)
        state = self.request.query_params.get("state")
        return found.filter(state=state) if self.action == "list" and state else found

    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(ReviewSerializer(page, many=True).data)

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(ReviewSerializer(self.get_object()).data)

    def destroy(self, request: Request, pk: str) -> Response:
        reviews.delete_review(review=self.get_object(), by=cast("User", request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        return self._decide(reviews.approve_review)

    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        return self._decide(reviews.refuse_review)

    def _decide(self, verb: Callable[..., Review]) -> Response:
        review, by = self.get_object(), cast("User", self.request.user)
        carried_out(lambda: verb(review=review, by=by))
        return Response(ReviewSerializer(review).data)
