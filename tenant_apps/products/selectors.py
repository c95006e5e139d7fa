"""Reads for the pages of products."""

import operator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from tenant_apps.activity.generation import Generation
from tenant_apps.products.models import (
    Category,
    Product,
    ProductQuerySet,
    ProductVariant,
    Review,
    ReviewState,
    State,
    StockAlert,
    StockMovement,
)
from tenant_apps.products.permissions import Person, can_moderate
from tenant_apps.products.search import Wishes, find_products
from tenant_apps.users.models import User

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


def list_products(wishes: Wishes | None = None) -> ProductQuerySet:
    """Published products that fit, for a list page."""
    published = Product.objects.filter(state=State.PUBLISHED)
    return find_products(published, wishes or Wishes()).for_list()


def categories_in_use() -> QuerySet[Category]:
    """Categories that have something on sale, with how much: `product_count`."""
    in_use = Category.objects.filter(Exists(_on_sale_in_category()))
    return in_use.annotate(product_count=_number_on_sale()).order_by("path", "id")


def _on_sale_in_category() -> ProductQuerySet:
    return Product.objects.filter(state=State.PUBLISHED, category=OuterRef("pk"))


def _number_on_sale() -> Any:
    """By a subquery for each category: it reads the index alone, where a join would read the products."""
    number: Any = _on_sale_in_category().order_by().values("category")
    return Coalesce(Subquery(number.annotate(number=Count("pk")).values("number")), 0)


@dataclass(frozen=True, slots=True)
class Branch:
    """A category in the tree: how deep it stands, and how much is on sale in it and below it."""

    category: Category
    depth: int
    product_count: int


def category_tree(
    below: Category | None = None, *, generation: Generation | None = None
) -> list[Branch]:
    """The categories that have something on sale, or have one below them that has, as a tree's rows.

    One query, whatever the tree's depth; none where the generation has it.

    Args:
        below: leave out what does not stand below this one.
        generation: asked for before: to count a large catalogue takes 40 ms.
    """

    def count() -> list[tuple[int, str, str, str, int | None, int]]:
        rows: Any = Category.objects.annotate(product_count=_number_on_sale())
        return list(rows.values_list("id", "name", "slug", "path", "parent_id", "product_count"))

    rows = generation.kept("products:tree:1", count) if generation else count()
    totals: dict[int, int] = {}
    parents = {key: parent for key, _, _, _, parent, _ in rows}
    for key, _, _, _, _, number in rows:
        above: int | None = key
        while above in parents:
            totals[above] = totals.get(above, 0) + number
            above = parents[above]
    start = 0 if below is None else below.path.count(" > ") + 1
    branches = [
        Branch(
            Category(id=key, name=name, slug=slug, path=path, parent_id=parent),
            path.count(" > ") - start,
            totals[key],
        )
        for key, name, slug, path, parent, _ in rows
        if totals[key] and (below is None or path.startswith(f"{below.path} > "))
    ]
    # By their names from the root on: " > " sorts before what a longer name goes on with.
    branches.sort(key=lambda branch: branch.category.path.split(" > "))
    return branches


def ancestors_of(category: Category) -> list[Category]:
    """The categories above this one, from the root on: one query, none for a root."""
    names = category.path.split(" > ")[:-1]
    if not names:
        return []
    paths = [" > ".join(names[: length + 1]) for length in range(len(names))]
    return sorted(Category.objects.filter(path__in=paths), key=lambda one: len(one.path))


def featured_products(limit: int = 4) -> list[Product]:
    """What stands in front, for list, home page and themes: three queries."""
    return list(Product.objects.featured().for_list()[:limit])


@dataclass(frozen=True, slots=True)
class CategoryTabs:
    """The categories that a list page shows. `are_all` is false where there are more."""

    shown: list[Category]
    are_all: bool


def category_tabs(chosen: Category | None, *, generation: Generation) -> CategoryTabs:
    """The fullest categories in use, in their order, and the one that is chosen.

    Args:
        generation: asked for before: to count a large catalogue takes 40 ms.
    """
    in_use: Any = categories_in_use()

    def count() -> list[tuple[int, str, str, str, int]]:
        rows = in_use.order_by("-product_count", "id")
        return list(rows.values_list("id", "name", "slug", "path", "product_count")[: MAX_TABS + 1])

    found = []
    for key, name, slug, path, number in generation.kept("products:tabs:1", count):
        category: Any = Category(id=key, name=name, slug=slug, path=path)
        category.product_count = number
        found.append(category)
    shown = found[:MAX_TABS]
    if chosen is not None and chosen not in shown:
        shown += in_use.filter(pk=chosen.pk)
    by_path = operator.attrgetter("path", "id")
    return CategoryTabs(shown=sorted(shown, key=by_path), are_all=len(found) <= MAX_TABS)


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


def shown_reviews(product: Product) -> QuerySet[Review]:
    """The reviews of a product that everybody may read, newest first, with their authors."""
    return product.reviews.filter(state=ReviewState.APPROVED).select_related("author")


def review_by(*, product: Product, person: Person) -> Review | None:
    """What this person has written of a product, shown or not."""
    if not person.is_authenticated:
        return None
    return product.reviews.filter(author=cast("User", person)).first()


def count_waiting_reviews() -> int:
    """How many wait for somebody to decide."""
    return Review.objects.filter(state=ReviewState.WAITING).count()


def newest_waiting_reviews(limit: int) -> list[Review]:
    """Those of them that were written last, with their products and authors."""
    waiting = Review.objects.filter(state=ReviewState.WAITING)
    return list(waiting.select_related("product", "author").order_by("-written_at", "-id")[:limit])


def reviews_for(person: Person) -> QuerySet[Review]:
    """The reviews that this person may read one by one: all for those who moderate, else their own."""
    found = Review.objects.select_related("author")
    if can_moderate(person):
        return found
    return found.filter(author=cast("User", person)) if person.is_authenticated else found.none()


def addresses_for_sitemap() -> QuerySet[Product, tuple[str, datetime]]:
    """What a sitemap lists of products: the handle of each that is on sale, and when it changed.

    Read it with `iterator()`: 50,000 addresses fit into a file (https://www.sitemaps.org/protocol.html).
    """
    on_sale = Product.objects.filter(state=State.PUBLISHED).order_by("id")
    return on_sale.values_list("handle", "updated_at")


def count_for_sitemap() -> int:
    """How many products a sitemap lists."""
    return Product.objects.filter(state=State.PUBLISHED).count()
