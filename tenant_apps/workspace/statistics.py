"""What each day was like, counted once it is over. Each verb runs in the tenant's schema."""

from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from tenant_apps.articles.figures import count_subscribers, figures_of_articles
from tenant_apps.products.figures import (
    figures_of_movements,
    figures_of_reviews,
    figures_of_stock,
)
from tenant_apps.users.figures import figures_of_people, first_day
from tenant_apps.workspace.models import DayFigures
from tenant_apps.workspace.selectors import current_workspace

# What is counted late, and shown at most: two spans of 90 days.
DAYS_KEPT_UP: Final = 180
# Of the articles that are named for a day.
BEST: Final = 50
# Views are written down every five minutes: a day is over once the last of them are.
_SETTLED_AFTER: Final = timedelta(minutes=20)
# So many days at a time are counted late: other tenants' tasks come between.
_AT_A_TIME: Final = 30


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What happened on a day, without what is in stock."""

    views: int
    published: int
    comments: int
    joined: int
    seen: int
    subscribers_new: int
    reviews: int
    stars: int


def workspace_zone() -> ZoneInfo:
    """The workspace's own clock."""
    return ZoneInfo(current_workspace().time_zone)


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
    articles = figures_of_articles(start=start, end=end, day=day, best=0)
    people = figures_of_people(start=start, end=end)
    reviews = figures_of_reviews(start=start, end=end)
    return LiveFigures(
        views=articles.views,
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
    live = asdict(count_live(day, zone))
    best = figures_of_articles(start=start, end=end, day=day, best=BEST).best
    moved = figures_of_movements(start=start, end=end)
    figures = {
        **live,
        "best": [[key.hex, views] for key, views in best],
        "came": moved.came,
        "went": moved.went,
        "counted_at": timezone.now(),
    }
    if day == today_in(zone) - timedelta(days=1):
        stock = figures_of_stock()
        figures |= {
            "people": figures_of_people(start=start, end=end).active,
            "subscribers": count_subscribers(),
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
    """Count the days that are over and have no row: last night's, and those that were missed. Returns
    how many. Safe to repeat."""
    zone = workspace_zone()
    last = (timezone.now() - _SETTLED_AFTER).astimezone(zone).date() - timedelta(days=1)
    first = last - timedelta(days=DAYS_KEPT_UP - 1)
    begun = first_day()
    if begun is not None:
        first = max(first, begun.astimezone(zone).date())
    there = set(DayFigures.objects.filter(day__gte=first).values_list("day", flat=True))
    days = [last - timedelta(days=back) for back in range((last - first).days + 1)]
    missing = [day for day in days if day not in there][:_AT_A_TIME]
    for day in missing:
        count_day(day, zone)
    return len(missing)
