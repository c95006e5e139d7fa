"""The clock that a workspace's days go by."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

# Every time zone is a multiple of this away from UTC, so no quarter of an hour is in two days.
QUARTER: Final = timedelta(minutes=15)

_providers: list[Callable[[], str]] = []


def register_time_zone(provider: Callable[[], str]) -> None:
    """Say what the time zone of the workspace that is set is called. The newest provider is asked."""
    _providers.append(provider)


def current_zone() -> ZoneInfo:
    """The time zone of the workspace that is set; UTC if nobody says."""
    return ZoneInfo(_providers[-1]() if _providers else "UTC")


def quarter_of(moment: datetime) -> int:
    """The number of the quarter of an hour that a moment is in, counted from 1970 (UTC)."""
    return int(moment.timestamp() // QUARTER.total_seconds())


def begin_of(quarter: int) -> datetime:
    """When that quarter began."""
    return datetime.fromtimestamp(quarter * QUARTER.total_seconds(), tz=UTC)
