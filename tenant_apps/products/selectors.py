"""Reads for the pages of products."""

import operator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from tenant_apps.products.models import (
    Category,
    Product,
    ProductQuerySet,
    ProductVariant,
    State,
    StockAlert,
    StockMovement,
)

# As many tabs as a page can show; the rest is on a page of categories.
MAX_TABS = 12


def count_products() -> int:
    """How many products the tenant keeps, in any state."""
    return Product.objects.count()


def count_by_state() -> dict[str, int]:
    """How many products are in each state."""
    rows = Product.objects.order_by().values_list("state").annotate(count=Count("pk"))
    return dict(rows)


def latest_products(limit: int) -> list[Product]:
    """The newest published products, for the home page."""
    return list(Product.objects.published().for_list()[:limit])


def list_products(*, category: Category | None = None, words: str = "") -> ProductQuerySet:
    """Published products for a list page; those of a category include those of the ones below
    it."""
    products = Product.objects.published().for_list()
    if category is not None:
        products = products.in_category(category)
    if words:
        products = products.filter(Q(title__icontains=words) | Q(vendor__icontains=words))
    return products


def categories_in_use() -> QuerySet[Category]:
    """Categories that have something on sale, with how much: `product_count`."""
    published = Count("products", filter=Q(products__state=State.PUBLISHED))
    in_use = Category.objects.annotate(product_count=published).filter(product_count__gt=0)
    return in_use.order_by("path", "id")


@dataclass(frozen=True, slots=True)
class CategoryTabs:
    """The categories that a list page shows. `are_all` is false where there are more."""

    shown: list[Category]
    are_all: bool


def category_tabs(chosen: Category | None) -> CategoryTabs:
    """The fullest categories in use, in their order, and the one that is chosen."""
    in_use: Any = categories_in_use()
    found = list(in_use.order_by("-product_count", "id")[: MAX_TABS + 1])
    shown = found[:MAX_TABS]
    if chosen is not None and chosen not in shown:
        shown += in_use.filter(pk=chosen.pk)
    key = operator.attrgetter("path", "id")
    return CategoryTabs(shown=sorted(shown, key=key), are_all=len(found) <= MAX_TABS)


def movements_of(
    *, product: Product, variant: ProductVariant | None = None
) -> QuerySet[StockMovement]:
    """What moved a product's stock, or one variant's, newest first, with who moved it."""
    movements = StockMovement.objects.filter(product=product)
    if variant is not None:
        movements = movements.filter(variant=variant)
    return movements.select_related("by").order_by("-id")


def low_in_stock() -> QuerySet[StockAlert]:
    """What has fallen low and is not stocked again, newest first."""
    return StockAlert.objects.filter(ended_at=None).select_related("product", "variant")


def products_to_export(*, state: str = "", category_slug: str = "") -> ProductQuerySet:
    """All products, or those of a state or of a category with the ones below it."""
    products = Product.objects.all()
    if state:
        products = products.filter(state=state)
    if category_slug:
        category = Category.objects.filter(slug=category_slug).first()
        products = products.in_category(category) if category else products.none()
    return products
