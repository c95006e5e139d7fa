"""Days put together to weeks and months."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final

from tenant_apps.workspace.dashboard import Day

DAY, WEEK, MONTH = "day", "week", "month"
INTERVALS: Final = (DAY, WEEK, MONTH)
# What happened on each day adds up.
ADDED: Final = (
    *("views", "published", "comments", "joined", "subscribers_new", "subscribers_left"),
    *("reviews", "stars", "came", "went"),
)
# What was there at the end of each day: the newest that is known.
LAST: Final = ("people", "subscribers", "on_sale", "pieces", "value_minor", "out_of_stock")
# The same person on two days is one person, and nobody has written down who it was.
OF_ONE_DAY: Final = ("seen",)


def first_of(day: date, interval: str) -> date:
    """The first day of the span that a day is in. A week begins on Monday (ISO 8601)."""
    if interval == WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == MONTH else day


def put_together(days: Sequence[Day], interval: str) -> list[dict[str, Any]]:
    """Rows of one span each, with its `first` and `last` day: the span's own, or where the days begin and
    end.

    Args:
        days: in order, as `dashboard.days_between` gives them.
        interval: one of INTERVALS.
    """
    return [
        _row(list(together), interval)
        for _, together in groupby(days, key=lambda day: first_of(day["day"], interval))
    ]


def _row(days: list[Day], interval: str) -> dict[str, Any]:
    row: dict[str, Any] = {"first": days[0]["day"], "last": days[-1]["day"]}
    for name in (*ADDED, *LAST, *OF_ONE_DAY):
        known = [day[name] for day in days if day.get(name) is not None]
        if not known or (name in OF_ONE_DAY and interval != DAY):
            row[name] = None
        else:
            row[name] = sum(known) if name in ADDED else known[-1]
    return row
