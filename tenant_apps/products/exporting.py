"""What a take-out holds of products."""

from collections.abc import Iterable, Iterator, Mapping

from django.db.models import F

from tenant_apps.products.models import (
    Category,
    OldHandle,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    Review,
    StockMovement,
)

_CHUNK = 500


def export_rows() -> Iterator[tuple[str, Iterable[Mapping[str, object]]]]:
    """Files by name, each with its rows, read as they are asked for. Inside a transaction."""
    yield (
        "products",
        Product.objects.order_by("id")
        .values(
            *("id", "title", "handle", "description_html", "vendor", "product_type", "tags"),
            *("seo_title", "seo_description", "is_gift_card", "extra", "state", "created_at"),
            *("updated_at", "published_at", "archived_at", "featured_at"),
            *("review_count", "review_stars"),
            category_path=F("category__path"),
        )
        .iterator(_CHUNK),
    )
    yield "options", ProductOption.objects.order_by("id").values().iterator(_CHUNK)
    yield "variants", ProductVariant.objects.order_by("id").values().iterator(_CHUNK)
    yield "images", ProductImage.objects.order_by("id").values().iterator(_CHUNK)
    yield (
        "categories",
        Category.objects.order_by("id").values("id", "name", "slug", "path").iterator(_CHUNK),
    )
    yield (
        "stock-movements",
        StockMovement.objects.order_by("id")
        .values(
            *(
                "id",
                "product_id",
                "variant_id",
                "variant_label",
                "delta",
                "quantity_after",
                "reason",
                "note",
                "at",
            ),
            by_email=F("by__email"),
        )
        .iterator(_CHUNK),
    )
    yield (
        "reviews",
        Review.objects.order_by("id")
        .values(
            *("id", "product_id", "stars", "text", "state", "written_at", "decided_at"),
            author_email=F("author__email"),
        )
        .iterator(_CHUNK),
    )
    yield "old-handles", OldHandle.objects.order_by("id").values().iterator(_CHUNK)
