"""Which other sites' pages may use the API from a browser (CORS, https://fetch.spec.whatwg.org/).

Each workspace has a list of its own, which is empty until somebody fills it. Tokens are let through,
cookies never: no page of another site acts as whoever happens to be logged in here.
The setting belongs to `workspace`, which stands above: it registers how to read it.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import sync_and_async_middleware

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

_PATH: Final = "/api/"
_KEPT_AT: Final = "api:origins"
_KEPT_SECONDS: Final = 60
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ACCEPTED: Final = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
)
_SHOWN: Final = (
    "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, Idempotency-Replayed, "
    "Server-Timing, X-Request-ID"
)
_PREFLIGHT_SECONDS: Final = 600
# Scheme, host and port, as browsers write it (RFC 6454 section 6.2); http on this machine alone.
_ORIGIN = re.compile(
    r"\A(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?|http://(localhost|127\.0\.0\.1))(:\d{1,5})?\Z"
)
_readers: list[Callable[[], Sequence[str]]] = []


def register_origins(read: Callable[[], Sequence[str]]) -> None:
    """Say who knows the workspace's list; the last one registered is asked."""
    _readers.append(read)


def check_origin(origin: str) -> None:
    """Refuse what is no origin. Raises ValidationError (Django's)."""
    if not _ORIGIN.match(origin):
        raise ValidationError(
            f'"{origin}" is not the origin of a site. Write it as https://shop.example.com, '
            "without a path.",
            code="origin",
        )


def forget_origins() -> None:
    """The list has changed: the next request reads it. Runs in: the tenant that is set."""
    cache.delete(_KEPT_AT)


@sync_and_async_middleware
def cross_origin_middleware(get_response: Answer) -> Callable[[HttpRequest], Any]:
    """Answer preflights, and let the pages of listed origins read answers."""

    async def answer_async(request: HttpRequest) -> HttpResponseBase:
        if not _is_asked(request):
            return await cast("Awaitable[HttpResponseBase]", get_response(request))
        allowed = await sync_to_async(_is_allowed)(request)
        if allowed and _is_preflight(request):
            return _preflight(request)
        response = await cast("Awaitable[HttpResponseBase]", get_response(request))
        return _marked(request, response, allowed=allowed)

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not _is_asked(request):
            return cast("HttpResponseBase", get_response(request))
        allowed = _is_allowed(request)
        if allowed and _is_preflight(request):
            return _preflight(request)
        return _marked(request, cast("HttpResponseBase", get_response(request)), allowed=allowed)

    return answer_async if iscoroutinefunction(get_response) else answer


def _is_asked(request: HttpRequest) -> bool:
    has_tenant = getattr(request, "tenant", None) is not None
    return has_tenant and request.path_info.startswith(_PATH)


def _is_preflight(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _is_allowed(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin", "")
    if not origin or not _readers:
        return False
    origins: list[str] | None = cache.get(_KEPT_AT)
    if origins is None:
        origins = list(_readers[-1]())
        cache.set(_KEPT_AT, origins, _KEPT_SECONDS)
    return origin in origins


def _preflight(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(status=204)
    response.headers["Access-Control-Allow-Methods"] = _METHODS
    response.headers["Access-Control-Allow-Headers"] = _ACCEPTED
    response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_SECONDS)
    del response.headers["Content-Type"]
    _marked(request, response, allowed=True)
    return response


def _marked(request: HttpRequest, response: HttpResponseBase, *, allowed: bool) -> HttpResponseBase:
    # Another origin's answer is another one, also where it is refused.
    patch_vary_headers(cast("HttpResponse", response), ("Origin",))
    if allowed:
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = _SHOWN
    return response
