"""Who is here, in figures. Runs in the tenant's schema."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q

from tenant_apps.users.models import User


@dataclass(frozen=True, slots=True)
class PeopleFigures:
    """People of a span of time, and all who are active now."""

    joined: int
    seen: int
    active: int


def figures_of_people(*, start: datetime, end: datetime) -> PeopleFigures:
    """Who joined and who logged in from `start` until before `end`. One query."""
    found = User.objects.aggregate(
        joined=Count("pk", filter=Q(joined_at__gte=start, joined_at__lt=end)),
        seen=Count("pk", filter=Q(last_login__gte=start, last_login__lt=end)),
        active=Count("pk", filter=Q(is_active=True)),
    )
    return PeopleFigures(**found)


def first_day() -> datetime | None:
    """When the first person joined: nothing is older."""
    first: datetime | None = User.objects.aggregate(first=Min("joined_at"))["first"]
    return first
