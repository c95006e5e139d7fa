"""What the dashboard shows somebody: figures of a span against the one before, charts, and what waits.

Runs in the tenant's schema.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any, Final, cast
from uuid import UUID

from tenant_apps.activity.generation import current_generation
from tenant_apps.articles import permissions as article_permissions
from tenant_apps.articles.figures import titles_of
from tenant_apps.articles.models import Article, Comment
from tenant_apps.articles.permissions import Person
from tenant_apps.products import permissions as product_permissions
from tenant_apps.products.models import Review
from tenant_apps.products.money import format_money
from tenant_apps.products.selectors import count_waiting_reviews, newest_waiting_reviews
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.workspace import statistics
from tenant_apps.workspace.charts import Chart, Number, draw_bars, draw_lines
from tenant_apps.workspace.models import DayFigures
from tenant_apps.workspace.selectors import Task, current_workspace, work_at_hand

TODAY: Final = 1
SPANS: Final = (TODAY, 7, 30, 90)
USUAL_SPAN: Final = 30
# One day makes no line: so many are drawn at least.
_DRAWN: Final = 7
BEST_SHOWN: Final = 5
COMMENTS_SHOWN: Final = 4
REVIEWS_SHOWN: Final = 4
# What happens today is counted anew at most so often.
_LIVE_SECONDS: Final = 60

Day = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which figures somebody may see: the same rule as for the rows that they are of."""

    articles: bool
    products: bool
    people: bool
    subscribers: bool

    @property
    def is_empty(self) -> bool:
        return not (self.articles or self.products or self.people or self.subscribers)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a span.

    Args:
        change: against the span before, in percent; None where that was nothing, or a day of it is
            not known: a workspace that is three weeks old has not grown by half in the fourth.
        note: what belongs to it, in a few words.
    """

    label: str
    value: str
    change: int | None = None
    is_now: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Best:
    """An article that was opened often. `share` is of the first one's views, in percent."""

    article: Article
    views: int
    share: int


@dataclass(slots=True)
class Dashboard:
    """All that the page shows."""

    span: int
    figures: list[Figure] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    best: list[Best] = field(default_factory=list)
    work: list[Task] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    waiting_comments: int = 0
    waiting_reviews: int = 0
    reviews: list[Review] = field(default_factory=list)


def scope_of(person: Person) -> Scope:
    """What this person may see figures of."""
    user = cast("User", person) if person.is_authenticated else None
    return Scope(
        articles=article_permissions.can_write(person),
        products=product_permissions.can_change(person),
        people=bool(user and user.has_perm("users.view_user")),
        subscribers=article_permissions.can_manage_subscribers(person),
    )


def require_dashboard(person: Person) -> Scope:
    """What somebody may see. Raises NotAllowed where that is nothing."""
    scope = scope_of(person)
    if scope.is_empty:
        raise NotAllowed("Your role does not let you see the dashboard. Ask an owner.")
    return scope


def days_between(first: date, last: date) -> list[Day]:
    """The kept figures of each day, in order; a day that is not counted yet is there with its date alone.

    One query, and seven where today is among them and was not counted within a minute.
    """
    zone = statistics.workspace_zone()
    kept = {
        row.pop("day"): row
        for row in DayFigures.objects.filter(day__gte=first, day__lte=last).values(
            *("day", "views", "published", "comments", "best", "joined", "seen", "people"),
            *(
                "subscribers_new",
                "subscribers_left",
                "subscribers",
                "reviews",
                "stars",
                "on_sale",
                "pieces",
            ),
            *("value_minor", "out_of_stock", "came", "went"),
        )
    }
    today = statistics.today_in(zone)
    if first <= today <= last and today not in kept:
        kept[today] = current_generation().kept(
            f"figures:1:{today}",
            lambda: asdict(statistics.count_live(today, zone)),
            seconds=_LIVE_SECONDS,
        )
    count = (last - first).days + 1
    return [
        {"day": first + timedelta(days=ahead), **kept.get(first + timedelta(days=ahead), {})}
        for ahead in range(count)
    ]


def show_dashboard(*, person: User, span: int) -> Dashboard:
    """What this person sees of the last `span` days, today among them.

    Raises:
        NotAllowed: their role lets them see no figures.
    """
    scope = require_dashboard(person)
    days = _last_days(max(2 * span, _DRAWN))
    before, now = days[-2 * span : -span], days[-span:]
    shown = Dashboard(
        span=span,
        figures=list(_figures(before, now, scope)),
        charts=list(_charts(days[-max(span, _DRAWN) :], scope)),
        work=work_at_hand(person),
    )
    if scope.articles:
        shown.best = best_of(now)
    if article_permissions.can_moderate(person):
        waiting = Comment.objects.pending()
        shown.waiting_comments = waiting.count()
        shown.comments = list(waiting.select_related("article").order_by("-id")[:COMMENTS_SHOWN])
    if product_permissions.can_moderate(person):
        shown.waiting_reviews = count_waiting_reviews()
        shown.reviews = newest_waiting_reviews(REVIEWS_SHOWN)
    return shown


def show_figures(*, person: User, span: int) -> list[Figure]:
    """The figures of the dashboard alone, for the admin's first page: none where the role lets this person
    see none."""
    scope = scope_of(person)
    if scope.is_empty:
        return []
    days = _last_days(2 * span)
    return list(_figures(days[:span], days[span:], scope))


def _last_days(count: int) -> list[Day]:
    last = statistics.today_in(statistics.workspace_zone())
    return days_between(last - timedelta(days=count - 1), last)


def _figures(before: Sequence[Day], now: Sequence[Day], scope: Scope) -> Iterable[Figure]:
    def total(name: str, label: str, *notes: str) -> Figure:
        value = _sum(now, name)
        told = [note for note in notes if note]
        change = None
        if all(day.get(name) is not None for day in before):
            if len(now) == TODAY:
                # Today is not over: in percent it would be a loss each morning.
                told = [f"yesterday {_sum(before, name):,}", *told]
            else:
                change = change_of(_sum(before, name), value)
        return Figure(label, f"{value:,}", change, note=", ".join(told))

    if scope.articles:
        published = _sum(now, "published")
        note = f"{published:,} published" if published else ""
        yield total("views", "views of articles", note)
        yield total("comments", "comments")
    if scope.people:
        yield total("joined", "new members", _in_all(now, "people"))
    if scope.subscribers:
        left = _sum(now, "subscribers_left")
        yield total(
            "subscribers_new",
            "new subscribers",
            f"{left:,} left" if left else "",
            _in_all(now, "subscribers"),
        )
    if scope.products:
        reviews = _sum(now, "reviews")
        note = f"{_sum(now, 'stars') / reviews:.1f} of 5 stars" if reviews else ""
        yield total("reviews", "reviews", note)
        yield from _stock_of([*before, *now])


def _stock_of(days: Sequence[Day]) -> Iterable[Figure]:
    """What was in stock last, on a day when somebody has counted."""
    counted = [day for day in days if day.get("value_minor") is not None]
    if not counted:
        return
    last = counted[-1]
    notes = [f"{last['pieces']:,} pieces"]
    if last["out_of_stock"]:
        notes.append(f"{last['out_of_stock']:,} sold out")
    value = format_money(int(last["value_minor"]), current_workspace().currency)
    yield Figure("value of the stock", value, is_now=True, note=", ".join(notes))


def _in_all(days: Sequence[Day], name: str) -> str:
    last = _last(days, name)
    return "" if last is None else f"{last:,} in all"


def _charts(now: Sequence[Day], scope: Scope) -> Iterable[Chart]:
    if scope.articles:
        yield draw_lines(_values(now, "views"), title="Views of articles")
    if scope.people:
        yield draw_bars(_values(now, "joined"), title="New members")
    if scope.products and any(day.get("pieces") is not None for day in now):
        yield draw_lines(_values(now, "pieces"), title="Pieces in stock")


def best_of(now: Sequence[Day]) -> list[Best]:
    """The articles that were opened most, by what was kept of each day's best. One query."""
    views: dict[str, int] = {}
    for day in now:
        for key, count in day.get("best") or []:
            views[key] = views.get(key, 0) + count
    most = sorted(views.items(), key=lambda pair: (-pair[1], pair[0]))[: BEST_SHOWN * 2]
    articles = titles_of([UUID(key) for key, _ in most])
    shown = [(articles[UUID(key)], count) for key, count in most if UUID(key) in articles]
    top = shown[0][1] if shown else 1
    return [
        Best(article, count, max(1, round(100 * count / top)))
        for article, count in shown[:BEST_SHOWN]
    ]


def _values(days: Sequence[Day], name: str) -> list[tuple[date, Number | None]]:
    return [(day["day"], day.get(name)) for day in days]


def _sum(days: Sequence[Day], name: str) -> int:
    return sum(day.get(name) or 0 for day in days)


def _last(days: Sequence[Day], name: str) -> Number | None:
    known = [day[name] for day in days if day.get(name) is not None]
    return known[-1] if known else None


def change_of(before: int, now: int) -> int | None:
    return round(100 * (now - before) / before) if before else None
