"""How articles fared, in figures. Each runs in the tenant's schema; all are read, nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Sum

from tenant_apps.articles.models import Article, Comment, DailyViews, Subscriber


@dataclass(frozen=True, slots=True)
class ArticleFigures:
    """Of a span of time.

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
        day: the day of views; they are counted by UTC's days (docs/decisions/0052).
        best: as many articles are named.
    """
    views = DailyViews.objects.filter(day=day)
    most = views.order_by("-views", "article_id").values_list("article_id", "views")
    return ArticleFigures(
        views=views.aggregate(total=Sum("views"))["total"] or 0,
        published=Article.objects.filter(published_at__gte=start, published_at__lt=end).count(),
        comments=Comment.objects.filter(made_at__gte=start, made_at__lt=end).count(),
        subscribers_new=Subscriber.objects.filter(
            confirmed_at__gte=start, confirmed_at__lt=end
        ).count(),
        best=list(most[:best]),
    )


def count_subscribers() -> int:
    """How many get letters now."""
    return Subscriber.objects.confirmed().count()


def titles_of(keys: Sequence[UUID]) -> dict[UUID, Article]:
    """The articles of these keys that are still published, as far as a list shows them."""
    return Article.objects.published().for_list().in_bulk(list(keys))
