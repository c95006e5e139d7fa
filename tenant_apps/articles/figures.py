"""How articles fared, in figures. Each runs in the tenant's schema; all are read, nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Sum

from tenant_apps.articles.models import Article, Comment, DailyViews, Subscriber


@dataclass(frozen=True, slots=True)
class ArticleFigures:
    """Of a day.

    Args:
        best: the articles that were opened most, with how often, the most first.
    """

    views: int
    published: int
    comments: int
    subscribers_new: int
    best: list[tuple[UUID, int]]


def figures_of_articles(*, start: datetime, end: datetime, day: date, best: int) -> ArticleFigures:
    """What happened from `start` until before `end`. Five queries.

    Args:
        day: that span, as views are kept (docs/decisions/0052).
        best: as many articles are named.
    """
    views = DailyViews.objects.filter(day=day)
    return ArticleFigures(
        views=views.aggregate(total=Sum("views"))["total"] or 0,
        published=Article.objects.filter(published_at__gte=start, published_at__lt=end).count(),
        comments=Comment.objects.filter(made_at__gte=start, made_at__lt=end).count(),
        subscribers_new=Subscriber.objects.filter(
            confirmed_at__gte=start, confirmed_at__lt=end
        ).count(),
        best=best_of_day(day, limit=best),
    )


def best_of_day(day: date, *, limit: int) -> list[tuple[UUID, int]]:
    """The articles that were opened most on a day, with how often. One query."""
    most = DailyViews.objects.filter(day=day).order_by("-views", "article_id")
    return list(most.values_list("article_id", "views")[:limit])


def views_since(day: date) -> dict[date, int]:
    """How many readers each day had, from `day` on, as far as they are written down. One query."""
    rows = DailyViews.objects.filter(day__gte=day).order_by().values_list("day")
    return dict(rows.annotate(total=Sum("views")))


def count_subscribers(*, before: datetime) -> int:
    """How many get letters now, of those who had confirmed by then."""
    return Subscriber.objects.confirmed().filter(confirmed_at__lt=before).count()


def titles_of(keys: Sequence[UUID]) -> dict[UUID, Article]:
    """The articles of these keys that are still published, as far as a list shows them."""
    return Article.objects.published().for_list().in_bulk(list(keys))
