"""X-Request-ID and Server-Timing on every answer, and the id in every line of the log.

A proxy or a client may bring an id of its own; what doesn't look like one is replaced. A host that
leads nowhere gets neither: its answer is the same to the byte, whichever host it is.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from shared_apps.tenants.keys import uuid7

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

HEADER: Final = "X-Request-ID"
_KNOWN = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{7,63}\Z")
_current: ContextVar[str] = ContextVar("terrace_request_id", default="")


class RequestFilter(logging.Filter):
    """Adds `request`: the id of the request that the line belongs to, or `-`. Lets all pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Stamp the record."""
        record.request = _current.get() or "-"
        return True


@dataclass(slots=True)
class _Clock:
    """Seconds since the request began, and those of them that PostgreSQL took."""

    began: float
    database: float = 0.0

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 (Django's signature)
        before = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.database += time.perf_counter() - before


@sync_and_async_middleware
def tracing_middleware(get_response: Answer) -> Callable[[HttpRequest], Any]:
    """Name each request, and say how long its answer took."""

    async def answer_async(request: HttpRequest) -> HttpResponseBase:
        with _named(request):
            clock = _Clock(time.perf_counter())
            response = await cast("Awaitable[HttpResponseBase]", get_response(request))
        return _told(request, response, clock)

    def answer(request: HttpRequest) -> HttpResponseBase:
        with _named(request):
            clock = _Clock(time.perf_counter())
            with connection.execute_wrapper(clock):
                response = cast("HttpResponseBase", get_response(request))
        return _told(request, response, clock)

    return answer_async if iscoroutinefunction(get_response) else answer


@contextmanager
def _named(request: HttpRequest) -> Iterator[None]:
    brought = request.headers.get(HEADER, "")
    request.request_id = brought if _KNOWN.match(brought) else str(uuid7())  # type: ignore[attr-defined]
    token = _current.set(request.request_id)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _current.reset(token)


def _told(request: HttpRequest, response: HttpResponseBase, clock: _Clock) -> HttpResponseBase:
    if _leads_nowhere(request):
        return response
    response.headers[HEADER] = request.request_id  # type: ignore[attr-defined]
    # Whole milliseconds: enough to find what is slow, too little to tell one password from another.
    total = round((time.perf_counter() - clock.began) * 1000)
    response.headers["Server-Timing"] = (
        f"app;dur={total}, db;dur={round(clock.database * 1000)}"
        if clock.database
        else f"app;dur={total}"
    )
    return response


def _leads_nowhere(request: HttpRequest) -> bool:
    """Also where a tenant is that must look like none."""
    if not hasattr(request, "tenant"):
        return True
    return getattr(request.tenant, "status", "") in {"erased", "preview"}
