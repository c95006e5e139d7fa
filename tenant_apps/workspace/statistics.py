"""What each day was like, counted once it is over. Each verb runs in the tenant's schema."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from tenant_apps.articles.clock import current_zone
from tenant_apps.articles.figures import (
    best_of_day,
    count_subscribers,
    figures_of_articles,
    views_since,
)
from tenant_apps.products.figures import (
    figures_of_movements,
    figures_of_reviews,
    figures_of_stock,
)
from tenant_apps.users.figures import figures_of_people, first_day
from tenant_apps.workspace.models import DayFigures

# What is counted late, and shown at most: two spans of 90 days.
DAYS_KEPT_UP: Final = 180
# Of the articles that are named for a day.
BEST: Final = 50
# Views are written down every five minutes: a day is over once the last of them are.
_SETTLED_AFTER: Final = timedelta(minutes=20)
# So many days at a time are counted late: other tenants' tasks come between.
_AT_A_TIME: Final = 30
# Redis may have kept readers of these days back while no worker was there.
_MENDED: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What happened on a day, without what is in stock.

    Args:
        best: the articles that were opened most: key, how often; the most first.
    """

    views: int
    best: list[tuple[str, int]]
    published: int
    comments: int
    joined: int
    seen: int
    subscribers_new: int
    reviews: int
    stars: int


def workspace_zone() -> ZoneInfo:
    """The workspace's own clock."""
    return current_zone()


def today_in(zone: ZoneInfo) -> date:
    """Which day it is there."""
    return timezone.now().astimezone(zone).date()


def span_of(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From midnight to midnight: 23 or 25 hours where the clocks change."""
    start = datetime.combine(day, time.min, tzinfo=zone)
    return start, datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)


def count_live(day: date, zone: ZoneInfo) -> LiveFigures:
    """A day as far as it has gone; nothing is written. Seven queries."""
    start, end = span_of(day, zone)
    articles = figures_of_articles(start=start, end=end, day=day, best=BEST)
    people = figures_of_people(start=start, end=end)
    reviews = figures_of_reviews(start=start, end=end)
    return LiveFigures(
        views=articles.views,
        best=[(key.hex, views) for key, views in articles.best],
        published=articles.published,
        comments=articles.comments,
        joined=people.joined,
        seen=people.seen,
        subscribers_new=articles.subscribers_new,
        reviews=reviews.reviews,
        stars=reviews.stars,
    )


def count_day(day: date, zone: ZoneInfo) -> DayFigures:
    """Count a day that is over, and keep it. Safe to repeat: a day has one row.

    Args:
        day: what is in stock, and who is here, is kept for yesterday alone: nobody knows any more what
            it was before.
    """
    start, end = span_of(day, zone)
    live = count_live(day, zone)
    moved = figures_of_movements(start=start, end=end)
    figures = {
        **asdict(live),
        "came": moved.came,
        "went": moved.went,
        "counted_at": timezone.now(),
    }
    if day == today_in(zone) - timedelta(days=1):
        stock = figures_of_stock()
        subscribers = count_subscribers(before=end)
        figures |= {
            "people": figures_of_people(start=start, end=end).active,
            "subscribers": subscribers,
            "subscribers_left": _left(day, subscribers - live.subscribers_new),
            "on_sale": stock.on_sale,
            "pieces": stock.pieces,
            "value_minor": stock.value_minor,
            "out_of_stock": stock.out,
        }
    else:
        # Who logged in since has another last log-in by now.
        figures["seen"] = None
    counted, _ = DayFigures.objects.update_or_create(day=day, defaults=figures)
    return counted


def count_missing_days() -> int:
    """Count the days that are over and have no row: last night's, and those that were missed; and add
    the readers of the days before that were written down since. Returns how many days were counted. Safe
    to repeat."""
    zone = workspace_zone()
    last = (timezone.now() - _SETTLED_AFTER).astimezone(zone).date() - timedelta(days=1)
    first = last - timedelta(days=DAYS_KEPT_UP - 1)
    begun = first_day()
    if begun is not None:
        first = max(first, begun.astimezone(zone).date())
    there = set(DayFigures.objects.filter(day__gte=first).values_list("day", flat=True))
    days = [last - timedelta(days=back) for back in range((last - first).days + 1)]
    missing = [day for day in days if day not in there][:_AT_A_TIME]
    # The oldest first: a day's figures say what has changed since the one before.
    for day in reversed(missing):
        count_day(day, zone)
    _mend_views(last - _MENDED)
    return len(missing)


def _left(day: date, stayed: int) -> int | None:
    """How many subscribers left on a day: they are deleted then, so it is told by how many fewer there
    are. None where nobody has counted on the day before."""
    before = DayFigures.objects.filter(day=day - timedelta(days=1)).first()
    if before is None or before.subscribers is None:
        return None
    return max(0, before.subscribers - stayed)


def _mend_views(since: date) -> None:
    # More, never fewer: with an article its readers are deleted too, and the day had them all the same.
    now = views_since(since)
    for row in DayFigures.objects.filter(day__in=list(now)):
        if now[row.day] > row.views:
            row.views = now[row.day]
            row.best = [(key.hex, views) for key, views in best_of_day(row.day, limit=BEST)]
            row.save(update_fields=["views", "best"])
