"""How much one visitor or one person may ask for, and what every answer says of it.

The headers are those of draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy: "user";q=1200;w=60`
(the quota and its window in seconds) and `RateLimit: "user";r=1199;t=60` (what is left, and until
when).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

from shared_apps.tenants import visitors

if TYPE_CHECKING:
    # Django REST framework reads these settings while its views are being imported.
    from rest_framework.views import APIView

_ATTRIBUTE = "terrace_limits"


@dataclass(frozen=True, slots=True)
class _Left:
    name: str
    quota: int
    window: int
    remaining: int
    seconds: int


class _Told(SimpleRateThrottle):
    """Notes at the request what is left."""

    # Made in SimpleRateThrottle.__init__.
    num_requests: int | None
    duration: int | None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        allowed = bool(super().allow_request(request, view))
        if getattr(self, "key", None) and self.num_requests and self.duration:
            history: list[float] = getattr(self, "history", [])
            gone = getattr(self, "now", 0.0) - history[-1] if history else 0.0
            left = _Left(
                name=str(self.scope),
                quota=self.num_requests,
                window=self.duration,
                remaining=max(0, self.num_requests - len(history)),
                seconds=max(0, int(self.duration - gone)),
            )
            noted: list[_Left] = request._request.__dict__.setdefault(_ATTRIBUTE, [])
            noted.append(left)
        return allowed


class VisitorThrottle(_Told, AnonRateThrottle):
    """Whoever has not said who they are, by the network that they come from."""

    def get_ident(self, request: Request) -> str:
        return visitors.network_of(request._request)


class PersonThrottle(_Told, UserRateThrottle):
    """A person, by whatever session or token they come."""

    def get_cache_key(self, request: Request, view: "APIView") -> str | None:
        if not request.user.is_authenticated:
            return None  # counted as a visitor
        key: Any = super().get_cache_key(request, view)
        return str(key) if key else None


def tell_limits(request: HttpRequest, response: HttpResponseBase) -> None:
    """Say in the answer what is left, where the request was counted."""
    noted: list[_Left] = getattr(request, _ATTRIBUTE, [])
    if noted:
        response.headers["RateLimit-Policy"] = ", ".join(
            f'"{one.name}";q={one.quota};w={one.window}' for one in noted
        )
        response.headers["RateLimit"] = ", ".join(
            f'"{one.name}";r={one.remaining};t={one.seconds}' for one in noted
        )
