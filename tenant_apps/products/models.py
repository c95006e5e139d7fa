from typing import Self, cast

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import CombinedSearchVector, SearchVector
from django.core.exceptions import ValidationError
from django.core.validators import validate_unicode_slug
from django.db import models
from django.urls import reverse
from django.utils import timezone

from shared_apps.tenants.keys import uuid7

HANDLE_LENGTH = 255
CATEGORY_PATH_LENGTH = 500
# `/products/import/` and `/products/category/` are pages; a product of this handle could not be
# reached.
RESERVED_HANDLES = frozenset({"import", "category"})
MAX_OPTIONS = 3
# No stemming: a catalogue has names in many languages, and words are looked up by their beginning.
SEARCH_CONFIG = "simple"
REVIEW_LENGTH = 5_000


class Category(models.Model):
    """A place in the tree that products are sorted into."""

    name = models.CharField(max_length=120)
    slug = models.CharField(max_length=140, validators=[validate_unicode_slug])
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    # The names from the root on, " > " between them: what import files say, and what makes it
    # unique.
    path = models.CharField(max_length=CATEGORY_PATH_LENGTH, editable=False)

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["path", "id"]
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="products_category_slug"),
            models.UniqueConstraint(
                fields=["path"],
                name="products_category_path",
                violation_error_message="There is a category of this name at this place already.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("products:category", args=[self.slug])

    def clean(self) -> None:
        super().clean()
        ancestor = self.parent
        while ancestor is not None:
            if ancestor.pk == self.pk:
                raise ValidationError({"parent": "A category cannot stand below itself."})
            ancestor = ancestor.parent


class State(models.TextChoices):
    """Whether a product is on sale."""

    DRAFT = "draft", "Draft"
    PUBLISHED = "published", "Published"
    ARCHIVED = "archived", "Archived"


def short_document() -> CombinedSearchVector:
    """What a product is called and what it is: what orders the products that were found."""
    title = SearchVector("title", weight="A", config=SEARCH_CONFIG)
    kind = SearchVector("vendor", "product_type", weight="B", config=SEARCH_CONFIG)
    return cast("CombinedSearchVector", title + kind)


def search_document() -> CombinedSearchVector:
    """All that is searched of a product. The index below is on just this expression."""
    words = SearchVector("description_html", weight="C", config=SEARCH_CONFIG)
    return cast("CombinedSearchVector", short_document() + words)


class ProductQuerySet(models.QuerySet["Product"]):
    def published(self) -> Self:
        """What every visitor may see, newest first."""
        return self.filter(state=State.PUBLISHED).order_by("-published_at", "-id")

    def featured(self) -> Self:
        """What is on sale and stands in front, the newest choice first."""
        return self.filter(state=State.PUBLISHED, featured_at__isnull=False).order_by(
            "-featured_at", "-id"
        )

    def in_category(self, category: Category) -> Self:
        """Those of a category and of the ones below it."""
        below = models.Q(category__path__startswith=f"{category.path} > ")
        return self.filter(models.Q(category=category) | below)

    def for_list(self) -> Self:
        """With prices and first image: three queries, however many products."""
        return self.defer("description_html", "extra").prefetch_related(
            models.Prefetch(
                "variants",
                ProductVariant.objects.only(
                    "id", "product_id", "position", "price_minor", "compare_at_minor",
                    "tracks_stock", "stock_quantity", "sells_when_out",
                ),
            ),
            models.Prefetch(
                "images",
                ProductImage.objects.order_by("product_id", "position", "id").distinct(
                    "product_id"
                ),
            ),
        )  # fmt: skip

    def for_page(self) -> Self:
        return self.select_related("category").prefetch_related(
            "options", "images", "variants__image"
        )


class Product(models.Model):
    """Something on sale: what is told of it. Prices and stock are on its variants, at least one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=255)
    handle = models.CharField(max_length=HANDLE_LENGTH, validators=[validate_unicode_slug])
    # Cleaned by `descriptions.clean_description` on the way in: it may be shown as it is.
    description_html = models.TextField("description", blank=True)
    vendor = models.CharField(max_length=255, blank=True)
    product_type = models.CharField(max_length=255, blank=True)
    category = models.ForeignKey(
        Category, null=True, blank=True, on_delete=models.SET_NULL, related_name="products"
    )
    tags = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    seo_title = models.CharField("title for search engines", max_length=255, blank=True)
    seo_description = models.TextField("description for search engines", blank=True)
    is_gift_card = models.BooleanField("gift card", default=False)
    # Columns of an import file that Terrace has no field for, by their names, so that nothing is
    # lost.
    extra = models.JSONField(default=dict, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    published_at = models.DateTimeField(null=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    featured_at = models.DateTimeField("featured since", null=True, editable=False)
    featured_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    # Of the reviews that are shown; `reviews` alone writes them.
    review_count = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    review_stars = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)
    archived_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["title", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["handle"],
                name="products_product_handle",
                violation_error_message="Another product has this handle already.",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=State.PUBLISHED) | models.Q(published_at__isnull=False),
                name="products_product_published_has_a_date",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-published_at", "-id"],
                condition=models.Q(state=State.PUBLISHED),
                name="products_product_published",
            ),
            # The list of a category, and how much each has: read off the index alone.
            models.Index(
                fields=["category", "-published_at", "-id"],
                condition=models.Q(state=State.PUBLISHED),
                name="products_product_of_category",
            ),
            models.Index(fields=["title", "id"], name="products_product_title"),
            # What programs ask for that keep a copy: all that was changed since.
            models.Index(fields=["updated_at", "id"], name="products_product_updated"),
            models.Index(
                fields=["-featured_at"],
                condition=models.Q(featured_at__isnull=False),
                name="products_product_featured",
            ),
            GinIndex(search_document(), name="products_product_words"),
            GinIndex(
                fields=["title"], opclasses=["gin_trgm_ops"], name="products_product_likeness"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("products:product", args=[self.handle])

    @property
    def is_published(self) -> bool:
        return self.state == State.PUBLISHED

    @property
    def is_featured(self) -> bool:
        return self.featured_at is not None

    @property
    def rating(self) -> float | None:
        """The average of its reviews, 1 to 5, to one place; None without reviews."""
        return round(self.review_stars / self.review_count, 1) if self.review_count else None

    # The four below read what for_list and for_page have fetched; alone they cost a query each.

    @property
    def first_image(self) -> "ProductImage | None":
        return next(iter(self.images.all()), None)

    @property
    def lowest_price_minor(self) -> int:
        return min((variant.price_minor for variant in self.variants.all()), default=0)

    @property
    def has_several_prices(self) -> bool:
        return len({variant.price_minor for variant in self.variants.all()}) > 1

    @property
    def is_on_sale(self) -> bool:
        return any(variant.is_reduced for variant in self.variants.all())

    @property
    def is_sold_out(self) -> bool:
        variants = self.variants.all()
        return bool(variants) and all(variant.is_sold_out for variant in variants)


class OldHandle(models.Model):
    """A handle that a product had before: its address leads to the one of today."""

    handle = models.CharField(max_length=HANDLE_LENGTH)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="old_handles")
    left_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["handle"], name="products_oldhandle_handle")]

    def __str__(self) -> str:
        return self.handle


class ProductOption(models.Model):
    """What a product's variants differ in: Size, Colour. Its values stand on the variants."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="options")
    # 1 to 3: which of a variant's option columns holds the value.
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=255)

    class Meta:
        ordering = ["product_id", "position"]
        constraints = [
            # Serves as the foreign key's index too, as it begins with the product.
            models.UniqueConstraint(
                fields=["product", "position"], name="products_option_position"
            ),
            models.CheckConstraint(
                condition=models.Q(position__gte=1, position__lte=MAX_OPTIONS),
                name="products_option_of_three",
            ),
        ]

    def __str__(self) -> str:
        return self.name


def check_picture_address(address: str) -> None:
    """A picture lies at https://, http://, or on this host."""
    if not address.lower().startswith(("https://", "http://", "/")) or " " in address:
        raise ValidationError(
            "The address of a picture begins with https:// or http:// and has no spaces.",
            code="picture_address",
        )


class ProductImage(models.Model):
    """A picture of a product, by its address."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="images")
    url = models.CharField("address", max_length=2000, validators=[check_picture_address])
    alt = models.CharField("what it shows", max_length=512, blank=True)
    position = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.alt or self.url


class ProductVariant(models.Model):
    """What is put into a basket: one choice of the options, with its price and stock."""

    # Moved by its own verb: whoever changes a price while pieces are sold loses nothing by it.
    NO_CHANGE = frozenset({"stock_quantity"})

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="variants", db_index=False
    )
    position = models.PositiveIntegerField(default=1)
    option1 = models.CharField("option 1", max_length=255, blank=True)
    option2 = models.CharField("option 2", max_length=255, blank=True)
    option3 = models.CharField("option 3", max_length=255, blank=True)
    sku = models.CharField("SKU", max_length=255, blank=True)
    barcode = models.CharField(max_length=255, blank=True)
    price_minor = models.BigIntegerField("price")
    compare_at_minor = models.BigIntegerField("price before", null=True, blank=True)
    cost_minor = models.BigIntegerField("cost", null=True, blank=True)
    weight_grams = models.PositiveIntegerField("weight in grams", default=0)
    requires_shipping = models.BooleanField(default=True)
    is_taxable = models.BooleanField("taxable", default=True)
    tracks_stock = models.BooleanField("stock is counted", default=False)
    # The sum of the movements below, kept here because every list needs it. `stock` alone writes it.
    stock_quantity = models.IntegerField("in stock", default=0)
    low_stock_at = models.PositiveIntegerField(
        "warn at",
        null=True,
        blank=True,
        help_text="A warning is sent when so many pieces or fewer are left.",
    )
    sells_when_out = models.BooleanField("can be ordered when out of stock", default=False)
    image = models.ForeignKey(
        ProductImage,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    # As the product's: columns of an import file that Terrace has no field for.
    extra = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), editable=False
    )

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            # Serves as the foreign key's index too, as it begins with the product.
            models.UniqueConstraint(
                fields=["product", "option1", "option2", "option3"],
                name="products_variant_options",
                violation_error_message="The product has a variant with these options already.",
            ),
            models.CheckConstraint(
                condition=models.Q(price_minor__gte=0), name="products_variant_price_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(stock_quantity__gte=0) | models.Q(sells_when_out=True),
                name="products_variant_stock_not_below_zero",
                violation_error_message="Stock cannot be negative. Write 0 or more.",
            ),
        ]
        indexes = [
            models.Index(fields=["sku"], condition=~models.Q(sku=""), name="products_variant_sku"),
            models.Index(fields=["price_minor", "id"], name="products_variant_price"),
        ]

    def __str__(self) -> str:
        return self.label or "Standard"

    @property
    def option_values(self) -> tuple[str, str, str]:
        return (self.option1, self.option2, self.option3)

    @property
    def label(self) -> str:
        return " / ".join(value for value in self.option_values if value)

    @property
    def is_reduced(self) -> bool:
        return self.compare_at_minor is not None and self.compare_at_minor > self.price_minor

    @property
    def is_sold_out(self) -> bool:
        return self.tracks_stock and not self.sells_when_out and self.stock_quantity <= 0

    @property
    def is_low(self) -> bool:
        """Whether so few are left that somebody wants to know."""
        return (
            self.tracks_stock
            and self.low_stock_at is not None
            and self.stock_quantity <= self.low_stock_at
        )


class MovementReason(models.TextChoices):
    """Why stock changed."""

    COUNTED = "counted", "Counted"
    IMPORTED = "imported", "Import"
    RECEIVED = "received", "Received"
    SOLD = "sold", "Sold"
    RETURNED = "returned", "Returned"
    LOST = "lost", "Lost or broken"


class StockMovement(models.Model):
    """A change of stock: how much, why, by whom. Written once, never changed.

    It stays when its variant is deleted, with the label that the variant had, and goes with the
    product.
    """

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="movements")
    variant = models.ForeignKey(
        ProductVariant, null=True, on_delete=models.SET_NULL, related_name="movements"
    )
    # Three options of 255 characters and what stands between them.
    variant_label = models.CharField(max_length=800, blank=True)
    delta = models.IntegerField()
    quantity_after = models.IntegerField()
    reason = models.CharField(max_length=10, choices=MovementReason)
    note = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.delta:+d} {self.get_reason_display().lower()}"


class StockAlert(models.Model):
    """A variant that has fallen low: since when, with how many left. It ends when there is more."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="stock_alerts")
    variant = models.ForeignKey(
        ProductVariant, on_delete=models.CASCADE, related_name="stock_alerts"
    )
    # As it was when the variant fell low.
    quantity = models.IntegerField()
    warned_at = models.PositiveIntegerField()
    fell_at = models.DateTimeField(default=timezone.now)
    mailed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["variant"],
                condition=models.Q(ended_at=None),
                name="products_stockalert_one_open",
            )
        ]
        indexes = [
            models.Index(
                fields=["-id"], condition=models.Q(ended_at=None), name="products_stockalert_open"
            ),
            models.Index(
                fields=["id"],
                condition=models.Q(ended_at=None, mailed_at=None),
                name="products_stockalert_unsent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {self.quantity} left"


class StockWatch(models.Model):
    """Somebody wants a mail when stock runs low: who, since when."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.person)


class ReviewState(models.TextChoices):
    """Whether a review is shown."""

    WAITING = "waiting", "Waiting"
    APPROVED = "approved", "Shown"
    REFUSED = "refused", "Not shown"


class Review(models.Model):
    """What a member thinks of a product: stars and words. One for each member and product."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="reviews", db_index=False
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="product_reviews"
    )
    stars = models.PositiveSmallIntegerField()
    text = models.TextField(max_length=REVIEW_LENGTH, blank=True)
    state = models.CharField(max_length=8, choices=ReviewState, default=ReviewState.WAITING)
    written_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        ordering = ["-written_at", "-id"]
        constraints = [
            # Serves as the foreign key's index too, as it begins with the product.
            models.UniqueConstraint(fields=["product", "author"], name="products_review_one_each"),
            models.CheckConstraint(
                condition=models.Q(stars__gte=1, stars__lte=5), name="products_review_stars"
            ),
        ]
        indexes = [
            models.Index(
                fields=["written_at", "id"],
                condition=models.Q(state="waiting"),
                name="products_review_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stars} of 5 by {self.author}"

    @property
    def is_shown(self) -> bool:
        return self.state == ReviewState.APPROVED


class ImportState(models.TextChoices):
    """Where an import is. A check writes nothing but its report."""

    CHECKING = "checking", "Being checked"
    CHECKED = "checked", "Checked"
    IMPORTING = "importing", "Being imported"
    IMPORTED = "imported", "Imported"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Stopped by an error"
    CANCELLED = "cancelled", "Cancelled"


class MatchBy(models.TextChoices):
    """What says that a product of a file is one that is here already."""

    HANDLE = "handle", "its handle"
    SKU = "sku", "a SKU of its variants"


class ImportRun(models.Model):
    """A file of products on its way in: what it holds, what would change, what is wrong with it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    file_name = models.CharField(max_length=255)
    file_bytes = models.BigIntegerField()
    skips_faulty = models.BooleanField(
        "import the rest where a product is faulty",
        default=False,
        help_text="Otherwise nothing is imported until the whole file is right.",
    )
    match_by = models.CharField(
        "find a product by",
        max_length=6,
        choices=MatchBy,
        default=MatchBy.HANDLE,
        db_default=MatchBy.HANDLE,
    )
    state = models.CharField(max_length=10, choices=ImportState, default=ImportState.CHECKING)
    # Why a file could not be read at all; a sentence.
    refusal = models.TextField(blank=True)
    # Counts and first changes: `product_import.Report` as JSON.
    report = models.JSONField(default=dict)
    header = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    checked_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.file_name

    def get_absolute_url(self) -> str:
        return reverse("products:import-run", args=[self.pk])

    @property
    def is_working(self) -> bool:
        return self.state in {ImportState.CHECKING, ImportState.IMPORTING}


class ImportChunk(models.Model):
    """A piece of an import's file. In the database, so that any worker can read it piece by
    piece."""

    run = models.ForeignKey(
        ImportRun, on_delete=models.CASCADE, related_name="chunks", db_index=False
    )
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="products_chunk_number")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}, piece {self.number}"


class ImportProblem(models.Model):
    """Something wrong in one row of an import's file."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="problems")
    # As a spreadsheet counts: the header is row 1.
    row_number = models.PositiveIntegerField()
    column = models.CharField(max_length=200, blank=True)
    sentence = models.TextField()
    # False for what is only to be known: the product is imported all the same.
    is_fatal = models.BooleanField(default=True)

    class Meta:
        ordering = ["row_number", "id"]

    def __str__(self) -> str:
        return f"Row {self.row_number}: {self.sentence}"


class ImportFaultyRow(models.Model):
    """A row of a faulty product as it stood in the file, for the file that can be mended and sent
    again."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="faulty_rows")
    row_number = models.PositiveIntegerField()
    cells = models.JSONField()

    class Meta:
        ordering = ["row_number"]

    def __str__(self) -> str:
        return f"{self.run_id}, row {self.row_number}"


class ImportChange(models.Model):
    """A product that an import makes or changes, field by field: the preview."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="changes")
    handle = models.CharField(max_length=HANDLE_LENGTH)
    title = models.CharField(max_length=255)
    is_new = models.BooleanField()
    # [what, before, after] for each field.
    changes = models.JSONField(default=list)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.title
