"""What the API tells of products, and what it may be told."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from tenant_apps.products import bulk, import_runs, reviews, stock
from tenant_apps.products.models import (
    HANDLE_LENGTH,
    MAX_OPTIONS,
    REVIEW_LENGTH,
    Category,
    ImportChange,
    ImportProblem,
    ImportRun,
    MatchBy,
    MovementReason,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    Review,
    StockAlert,
    StockMovement,
)
from tenant_apps.products.money import MAX_MINOR, format_number
from tenant_apps.users.serializers import NamedPersonSerializer


class ImageSerializer(serializers.ModelSerializer[ProductImage]):
    class Meta:
        model = ProductImage
        fields = ["id", "url", "alt", "position"]


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
        "slug", read_only=True, allow_null=True
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
    ids = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=bulk.MAX_AT_ONCE
    )
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


class MovementSerializer(serializers.ModelSerializer[StockMovement]):
    by = NamedPersonSerializer(read_only=True, allow_null=True)

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


@extend_schema_serializer(component_name="ProductCategory")
class CategorySerializer(serializers.ModelSerializer[Category]):
    # A field's own name for what it stands in; the class's meta takes declared fields away.
    parent: Any = serializers.SlugRelatedField("slug", read_only=True, allow_null=True)

    class Meta:
        model = Category
        fields = ["id", "name", "slug", "path", "parent"]


@extend_schema_serializer(component_name="ProductCategoryInput")
class CategoryInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    slug = serializers.SlugField(max_length=140, allow_unicode=True)
    parent: Any = serializers.SlugRelatedField(
        "slug", queryset=Category.objects.none(), allow_null=True, required=False
    )

    def get_fields(self) -> dict[str, Any]:
        return with_categories(super().get_fields(), "parent")


class ReviewSerializer(serializers.ModelSerializer[Review]):
    author = NamedPersonSerializer(read_only=True)
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


class BulkResultSerializer(serializers.Serializer[Any]):
    """What came of one product. `error` says why nothing did."""

    id = serializers.UUIDField(source="key", read_only=True)
    done = serializers.BooleanField(read_only=True)
    error = serializers.CharField(source="sentence", read_only=True)


class BulkResultsSerializer(serializers.Serializer[Any]):
    results = BulkResultSerializer(many=True, read_only=True)


class ImageInput(serializers.Serializer[Any]):
    """A picture to be kept here, or the address of one that lies elsewhere: one of the two."""

    file = serializers.FileField(required=False)
    url = serializers.CharField(max_length=2000, required=False)
    alt = serializers.CharField(max_length=512, allow_blank=True, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("file" in attrs) == ("url" in attrs):
            raise serializers.ValidationError(
                {"file": ["Send either a file or the address of a picture."]}
            )
        return attrs


class ImageChanges(serializers.Serializer[Any]):
    """What can be changed of a picture."""

    alt = serializers.CharField(max_length=512, allow_blank=True, required=False)
    position = serializers.IntegerField(min_value=1, max_value=100_000, required=False)


class OptionInput(serializers.Serializer[Any]):
    """What a product's variants differ in, in their order; none where there is one variant alone."""

    options = serializers.ListField(
        child=serializers.CharField(max_length=255), max_length=MAX_OPTIONS
    )


class OptionsSerializer(serializers.Serializer[Any]):
    options = serializers.ListField(child=serializers.CharField(), read_only=True)


@extend_schema_serializer(component_name="ProductCategoryBranch")
class CategoryBranchSerializer(serializers.Serializer[Any]):
    """A category in the tree: how deep it stands, and how much is on sale in it and below it."""

    id = serializers.IntegerField(source="category.id", read_only=True)
    name = serializers.CharField(source="category.name", read_only=True)
    slug = serializers.CharField(source="category.slug", read_only=True)
    path = serializers.CharField(source="category.path", read_only=True)
    depth = serializers.IntegerField(read_only=True)
    product_count = serializers.IntegerField(read_only=True)


class ImportRunSerializer(serializers.ModelSerializer[ImportRun]):
    """An import: where it is, what it would change or has changed, and how much is wrong with it."""

    created_by = NamedPersonSerializer(read_only=True, allow_null=True)
    percent = serializers.SerializerMethodField(help_text="How much of the file has been read.")
    can_start = serializers.SerializerMethodField()
    created = serializers.SerializerMethodField(help_text="Products that are new.")
    updated = serializers.SerializerMethodField()
    unchanged = serializers.SerializerMethodField()
    faulty = serializers.SerializerMethodField()

    class Meta:
        model = ImportRun
        fields = [
            *("id", "file_name", "file_bytes", "match_by", "skips_faulty", "state", "refusal"),
            *("percent", "can_start", "created", "updated", "unchanged", "faulty"),
            *("created_at", "created_by", "checked_at", "started_at", "finished_at"),
        ]
        read_only_fields = fields

    def get_percent(self, run: ImportRun) -> int:
        return import_runs.progress_percent(run) if run.is_working else 100

    def get_can_start(self, run: ImportRun) -> bool:
        return import_runs.can_apply(run)

    def get_created(self, run: ImportRun) -> int | None:
        return _counted(run, "created")

    def get_updated(self, run: ImportRun) -> int | None:
        return _counted(run, "updated")

    def get_unchanged(self, run: ImportRun) -> int | None:
        return _counted(run, "unchanged")

    def get_faulty(self, run: ImportRun) -> int | None:
        return _counted(run, "faulty")


class ImportInput(serializers.Serializer[Any]):
    """A file of products, and how it is to be taken."""

    file = serializers.FileField(allow_empty_file=True)
    match_by = serializers.ChoiceField(choices=MatchBy.choices, default=MatchBy.HANDLE)
    skips_faulty = serializers.BooleanField(default=False)


class ImportProblemSerializer(serializers.ModelSerializer[ImportProblem]):
    """Something wrong in one row; the header is row 1."""

    class Meta:
        model = ImportProblem
        fields = ["id", "row_number", "column", "sentence", "is_fatal"]
        read_only_fields = fields


class FieldChangeSerializer(serializers.Serializer[Any]):
    field = serializers.SerializerMethodField()
    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()

    def get_field(self, change: list[Any]) -> str:
        return str(change[0])

    def get_before(self, change: list[Any]) -> str:
        return _in_words(change[1])

    def get_after(self, change: list[Any]) -> str:
        return _in_words(change[2])


class ImportChangeSerializer(serializers.ModelSerializer[ImportChange]):
    """A product that an import makes or changes, field by field."""

    changes = FieldChangeSerializer(many=True, read_only=True)

    class Meta:
        model = ImportChange
        fields = ["id", "handle", "title", "is_new", "changes"]
        read_only_fields = fields


class StockAlertSerializer(serializers.ModelSerializer[StockAlert]):
    """A variant that has fallen low, and how much of it there was then and is now."""

    product: Any = serializers.PrimaryKeyRelatedField(read_only=True)
    variant: Any = serializers.PrimaryKeyRelatedField(read_only=True)
    product_title = serializers.CharField(source="product.title", read_only=True)
    variant_label = serializers.CharField(source="variant.label", read_only=True)
    sku = serializers.CharField(source="variant.sku", read_only=True)
    in_stock = serializers.IntegerField(source="variant.stock_quantity", read_only=True)

    class Meta:
        model = StockAlert
        fields = [
            *("id", "product", "product_title", "variant", "variant_label", "sku"),
            *("quantity", "warned_at", "in_stock", "fell_at"),
        ]


class WatchSerializer(serializers.Serializer[Any]):
    """Whether one gets a letter when stock runs low."""

    watching = serializers.BooleanField()


def _counted(run: ImportRun, name: str) -> int | None:
    """None until the file has been checked."""
    number: int | None = run.report.get(name)
    return number


def _in_words(value: Any) -> str:
    return "" if value is None else str(value)
