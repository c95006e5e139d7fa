"""Which products fit some words and wishes: one way for page, API and admin.

Words are found by PostgreSQL's full text search, each as the beginning of a word, in title, vendor,
type and description; and as a SKU. Where that finds nothing, titles that look alike are
(https://www.postgresql.org/docs/current/pgtrgm.html), so a slip of the finger is forgiven.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.postgres.lookups import TrigramWordSimilar
from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramWordSimilarity
from django.db import connection, models
from django.db.models import Exists, OuterRef, Q, Value

from tenant_apps.products.models import (
    SEARCH_CONFIG,
    Category,
    ProductQuerySet,
    ProductVariant,
    search_document,
    short_document,
)

# As many as are ranked, the newest; what fits more is too common a word for an order to mean anything,
# and each one's words are parsed anew for it: a thousand take 40 ms.
MOST_FOUND = 300
_MOST_WORDS = 10
_WORD = re.compile(r"\w+")
# "kettel" and "kettle" are alike to 0.57 (pg_trgm.word_similarity_threshold is 0.6 by default).
_ALIKE = 0.4


class Order(models.TextChoices):
    """What stands first."""

    BEST = "best", "What fits best"
    NEWEST = "newest", "Newest"
    CHEAPEST = "price", "Price, lowest first"
    DEAREST = "-price", "Price, highest first"
    TITLE = "title", "Title"
    RATING = "rating", "Reviews, best first"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody looks for.

    Args:
        words: as they were typed; empty for everything.
        price_from, price_to: in minor units; a product fits with one variant in between.
        in_stock: whether it must be there to be bought.
    """

    words: str = ""
    category: Category | None = None
    price_from: int | None = None
    price_to: int | None = None
    in_stock: bool = False
    order: Order = Order.BEST


def find_products(products: ProductQuerySet, wishes: Wishes) -> ProductQuerySet:
    """Those of `products` that fit, in the order that was wished for.

    Args:
        products: whichever the reader may see.
    Returns:
        A queryset; words have been looked up by then (one to three queries).
    Runs in: the tenant's schema.
    """
    if wishes.category is not None:
        products = products.in_category(wishes.category)
    variants = ProductVariant.objects.filter(product=OuterRef("pk"))
    if wishes.price_from is not None:
        variants = variants.filter(price_minor__gte=wishes.price_from)
    if wishes.price_to is not None:
        variants = variants.filter(price_minor__lte=wishes.price_to)
    if wishes.in_stock:
        variants = variants.filter(
            Q(tracks_stock=False) | Q(sells_when_out=True) | Q(stock_quantity__gt=0)
        )
    if wishes.in_stock or wishes.price_from is not None or wishes.price_to is not None:
        products = products.filter(Exists(variants))
    words = _WORD.findall(wishes.words)[:_MOST_WORDS]
    if wishes.words.strip():
        products = products.filter(pk__in=matching_keys(products, wishes.words))
    return _ordered(products, wishes, words)


def matching_keys(products: ProductQuerySet, text: str) -> list[UUID]:
    """The keys of up to MOST_FOUND of `products` that the words are found in, the newest made."""
    words = _WORD.findall(text)[:_MOST_WORDS]
    if not words:
        return []
    plain = products.order_by("-id")
    by_words: Any = plain.annotate(document=search_document()).filter(document=_query(words))
    found = set(by_words.values_list("pk", flat=True)[:MOST_FOUND])
    found.update(plain.filter(variants__sku=text.strip()).values_list("pk", flat=True)[:MOST_FOUND])
    if not found:
        _forgive_slips()
        alike: Any = plain.filter(TrigramWordSimilar(models.F("title"), text.strip()[:100]))
        found.update(alike.values_list("pk", flat=True)[:MOST_FOUND])
    return list(found)


def _ordered(products: ProductQuerySet, wishes: Wishes, words: list[str]) -> ProductQuerySet:
    order = wishes.order
    if order == Order.BEST and words:
        ranked: ProductQuerySet = products.annotate(
            # By the short texts alone: to parse hundreds of descriptions anew takes 20 ms.
            rank=SearchRank(short_document(), _query(words)),
            likeness=TrigramWordSimilarity(wishes.words.strip()[:100], "title"),
        ).order_by("-rank", "-likeness", "-published_at", "-id")
        return ranked
    if order in {Order.CHEAPEST, Order.DEAREST}:
        return _by_price(products, dearest_first=order == Order.DEAREST)
    if order == Order.TITLE:
        return products.order_by("title", "id")
    if order == Order.RATING:
        stars = models.F("review_stars") * Value(1.0) / models.functions.NullIf("review_count", 0)
        return products.annotate(stars=stars).order_by(
            models.F("stars").desc(nulls_last=True), "-review_count", "-id"
        )
    return products.order_by("-published_at", "-id")


def _by_price(products: ProductQuerySet, *, dearest_first: bool) -> ProductQuerySet:
    """In the order of their cheapest variants, read off the variants' index on their price: the first
    page of 100,000 products takes as long as that of a hundred."""
    priced: Any = products.annotate(
        lowest=models.F("variants__price_minor"), of_variant=models.F("variants__id")
    )
    cheaper = ProductVariant.objects.filter(product=OuterRef("pk")).filter(
        Q(price_minor__lt=OuterRef("lowest"))
        | Q(price_minor=OuterRef("lowest"), id__lt=OuterRef("of_variant"))
    )
    cheapest: ProductQuerySet = priced.filter(~Exists(cheaper), lowest__gte=0)
    sign = "-" if dearest_first else ""
    return cheapest.order_by(f"{sign}lowest", f"{sign}of_variant")


def _query(words: list[str]) -> SearchQuery:
    # Letters and digits alone, in quotation marks: no operator of tsquery's can be among them.
    return SearchQuery(
        " & ".join(f"'{word}':*" for word in words), search_type="raw", config=SEARCH_CONFIG
    )


def _forgive_slips() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL pg_trgm.word_similarity_threshold = {_ALIKE}")
