"""Figures of days under /api/v1/stats/: the same rows and the same rule as the dashboard."""

from datetime import date, timedelta
from typing import Any, Final, cast

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenant_apps.api.doors import with_manners_around
from tenant_apps.api.errors import WrongParameter
from tenant_apps.api.lost_updates import LostUpdates, OnceOnly
from tenant_apps.users.models import User
from tenant_apps.workspace import statistics
from tenant_apps.workspace.dashboard import Scope, days_between, require_dashboard
from tenant_apps.workspace.periods import DAY, INTERVALS, MONTH, WEEK, put_together

MAX_DAYS: Final = {DAY: 366, WEEK: 5 * 366, MONTH: 5 * 366}
_ARTICLES: Final = ("views", "published", "comments")
_PEOPLE: Final = ("joined", "seen", "people")
_SUBSCRIBERS: Final = ("subscribers_new", "subscribers_left", "subscribers")
_PRODUCTS: Final = (
    *("reviews", "stars", "on_sale", "pieces", "value_minor", "out_of_stock", "came", "went"),
)


class PeriodSerializer(serializers.Serializer[Any]):
    """A day, a week or a month by the workspace's clock; a field that the role may not see, or that nobody
    knows, is null. `people`, `subscribers` and the stock are as they were at its end; `seen` is told of
    single days alone."""

    first = serializers.DateField()
    last = serializers.DateField()
    views = serializers.IntegerField(allow_null=True)
    published = serializers.IntegerField(allow_null=True)
    comments = serializers.IntegerField(allow_null=True)
    joined = serializers.IntegerField(allow_null=True)
    seen = serializers.IntegerField(allow_null=True)
    people = serializers.IntegerField(allow_null=True)
    subscribers_new = serializers.IntegerField(allow_null=True)
    subscribers_left = serializers.IntegerField(allow_null=True)
    subscribers = serializers.IntegerField(allow_null=True)
    reviews = serializers.IntegerField(allow_null=True)
    stars = serializers.IntegerField(allow_null=True)
    on_sale = serializers.IntegerField(allow_null=True)
    pieces = serializers.IntegerField(allow_null=True)
    value_minor = serializers.IntegerField(allow_null=True)
    out_of_stock = serializers.IntegerField(allow_null=True)
    came = serializers.IntegerField(allow_null=True)
    went = serializers.IntegerField(allow_null=True)


class StatsSerializer(serializers.Serializer[Any]):
    """Figures, the oldest first. Today's are as far as the day has gone."""

    first = serializers.DateField()
    last = serializers.DateField()
    time_zone = serializers.CharField()
    interval = serializers.ChoiceField(choices=INTERVALS)
    periods = PeriodSerializer(many=True)


class Stats(APIView):
    """What each day, week or month was like."""

    permission_classes = [IsAuthenticated, LostUpdates, OnceOnly]

    @extend_schema(
        operation_id="stats",
        responses=StatsSerializer,
        parameters=[
            OpenApiParameter("from", date, description="The first day; 30 days back unless told."),
            OpenApiParameter("to", date, description="The last day; today unless told."),
            OpenApiParameter(
                "interval",
                str,
                enum=INTERVALS,
                default=DAY,
                description="What one row is of. Weeks begin on Monday; the first and the last row may "
                "be of a part.",
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        scope = require_dashboard(cast("User", request.user))
        zone = statistics.workspace_zone()
        today = statistics.today_in(zone)
        last = _day(request, "to") or today
        first = _day(request, "from") or last - timedelta(days=29)
        if first > last:
            raise WrongParameter("from", "The first day is after the last one.")
        interval = request.query_params.get("interval", DAY)
        if interval not in INTERVALS:
            raise WrongParameter("interval", f"It is one of {', '.join(INTERVALS)}.")
        if (last - first).days >= MAX_DAYS[interval]:
            longer = "" if interval != DAY else " Ask for weeks or months."
            raise WrongParameter(
                "from", f"At most {MAX_DAYS[interval]} days are told at once.{longer}"
            )
        rows = put_together(days_between(first, last), interval)
        answer = {
            "first": first,
            "last": last,
            "time_zone": str(zone),
            "interval": interval,
            "periods": [_told(row, scope) for row in rows],
        }
        return Response(StatsSerializer(answer).data)


def _day(request: Request, name: str) -> date | None:
    raw = request.query_params.get(name)
    if raw is None:
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError as error:
        raise WrongParameter(name, "Write a day as 2026-01-31.") from error


def _told(row: dict[str, Any], scope: Scope) -> dict[str, Any]:
    names = [
        *(_ARTICLES if scope.articles else ()),
        *(_PEOPLE if scope.people else ()),
        *(_SUBSCRIBERS if scope.subscribers else ()),
        *(_PRODUCTS if scope.products else ()),
    ]
    allowed = {"first", "last", *names}
    return {name: value if name in allowed else None for name, value in row.items()}


_door: Any = with_manners_around(Stats.as_view())


def _in_a_transaction(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
    # As ATOMIC_REQUESTS does it, which Django has for synchronous views alone.
    with transaction.atomic():
        response: HttpResponseBase = _door(request, **arguments)
    return response


@csrf_exempt
@transaction.non_atomic_requests
async def stats(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
    """Stats, for ASGI servers: while the database works, the loop serves others. The thread has the
    tenant of the request (docs/decisions/0002)."""
    return await sync_to_async(_in_a_transaction)(request, **arguments)


# For the document, and for whatever else asks a view what it is.
stats.cls = Stats  # type: ignore[attr-defined]
stats.initkwargs = {}  # type: ignore[attr-defined]
