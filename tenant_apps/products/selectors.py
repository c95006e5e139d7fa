"""Reads for the pages of products."""

from collections.abc import Sequence

from django.db.models import Count, Q

from tenant_apps.products.models import Category, Product, ProductQuerySet, State


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
        products = products.filter(
            Q(category=category) | Q(category__path__startswith=f"{category.path} > ")
        )
    if words:
        products = products.filter(Q(title__icontains=words) | Q(vendor__icontains=words))
    return products


def categories_in_use() -> Sequence[Category]:
    """Categories that have something on sale, with how much: `product_count`."""
    published = Count("products", filter=Q(products__state=State.PUBLISHED))
    in_use = Category.objects.annotate(product_count=published).filter(product_count__gt=0)
    return list(in_use.order_by("path", "id"))
