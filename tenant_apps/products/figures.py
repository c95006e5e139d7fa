"""How products fared, in figures. Each runs in the tenant's schema; all are read, nothing is written."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q, Sum

from tenant_apps.products.models import Product, ProductVariant, Review, State, StockMovement


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """Reviews that were written in a span of time, and the sum of their stars."""

    reviews: int
    stars: int


@dataclass(frozen=True, slots=True)
class StockFigures:
    """What is on sale and in stock now.

    Args:
        pieces: of variants whose stock is counted; below zero counts as none.
        value_minor: at the price of each, in minor units of the workspace's currency.
        out: variants that are counted and have no piece left.
    """

    on_sale: int
    pieces: int
    value_minor: int
    out: int


@dataclass(frozen=True, slots=True)
class MovedFigures:
    """Pieces that came, and pieces that went, in a span of time."""

    came: int
    went: int


def figures_of_reviews(*, start: datetime, end: datetime) -> ReviewFigures:
    """Written from `start` until before `end`. One query."""
    written = Review.objects.filter(written_at__gte=start, written_at__lt=end)
    found = written.aggregate(reviews=Count("pk"), stars=Sum("stars"))
    return ReviewFigures(found["reviews"], found["stars"] or 0)


def figures_of_stock() -> StockFigures:
    """As it is now. Two queries."""
    on_sale = Product.objects.filter(state=State.PUBLISHED)
    counted = ProductVariant.objects.filter(product__in=on_sale, tracks_stock=True)
    there = Q(stock_quantity__gt=0)
    found = counted.aggregate(
        pieces=Sum("stock_quantity", filter=there),
        value=Sum(F("stock_quantity") * F("price_minor"), filter=there),
        out=Count("pk", filter=~there),
    )
    return StockFigures(
        on_sale=on_sale.count(),
        pieces=found["pieces"] or 0,
        value_minor=int(found["value"] or 0),
        out=found["out"],
    )


def figures_of_movements(*, start: datetime, end: datetime) -> MovedFigures:
    """Of stock, from `start` until before `end`. One query."""
    moved = StockMovement.objects.filter(at__gte=start, at__lt=end)
    found = moved.aggregate(
        came=Sum("delta", filter=Q(delta__gt=0)), went=Sum("delta", filter=Q(delta__lt=0))
    )
    return MovedFigures(came=found["came"] or 0, went=-(found["went"] or 0))
