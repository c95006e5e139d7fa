"""The front door: finds the tenant for the request's host and enters it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from shared_apps.domains import bypass, preview_gate, resolution, status_pages
from shared_apps.domains.addresses import tenant_url
from shared_apps.domains.hosts import HostInvalid, let_django_accept, normalise_host
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import SERVED
from shared_apps.tenants.read_only import is_refused_write


class TenantMiddleware:
    """Sets `request.tenant` (None on the public host) and the context around the whole request.

    The host is read from the Host header alone: no other header, parameter or cookie chooses a
    tenant. Works under WSGI and ASGI.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve the request inside its tenant."""
        if self.is_async:
            return self._serve_async(request)
        placed = self._place(request)
        if isinstance(placed, HttpResponseBase):
            return placed
        database: Any = connections[DEFAULT_DB_ALIAS]
        with _entered(placed):
            response = cast("HttpResponseBase", self.get_response(request))
            database.overlap_next_commit = False
            if database.commit_sent:  # no answer leaves before its transaction is kept
                database.await_commit()
        preview_gate.mark(response, placed)
        return _keep_stream_inside(response, placed)

    async def _serve_async(self, request: HttpRequest) -> HttpResponseBase:
        placed = await self._place_async(request)
        if isinstance(placed, HttpResponseBase):
            return placed
        with _entered(placed):
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        preview_gate.mark(response, placed)
        return _keep_stream_inside(response, placed)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: object, kwargs: object
    ) -> None:
        """Let the COMMIT of the view's transaction (ATOMIC_REQUESTS) go on while its answer is
        rendered. `__call__` waits for it; under ASGI nobody would."""
        if not self.is_async and DEFAULT_DB_ALIAS not in getattr(view, "_non_atomic_requests", ()):
            database: Any = connections[DEFAULT_DB_ALIAS]
            database.overlap_next_commit = True

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What a view answers whose write a read-only tenant's database refused."""
        tenant: TenantRef | None = getattr(request, "tenant", None)
        if tenant is None or not is_refused_write(exception, tenant):
            return None
        return status_pages.render_status(request, "read_only")

    def _place(self, request: HttpRequest) -> TenantRef | HttpResponse | None:
        """The tenant, None for the public site, or the answer where nothing is served."""
        host = _host(request)
        if host is None:
            return status_pages.plain_not_found()
        if resolution.is_public_host(host):
            request.tenant = None  # type: ignore[attr-defined]
            return None
        return _answer_for(request, resolution.answer_for_host(host))

    async def _place_async(self, request: HttpRequest) -> TenantRef | HttpResponse | None:
        """As _place. Goes to a thread only where the answer may need a query or a template."""
        host = _host(request)
        if host is not None and not resolution.is_public_host(host):
            known, answer = resolution.known_in_process(host)
            if known and isinstance(answer, TenantRef) and answer.status in SERVED:
                return _answer_for(request, answer)
            place = sync_to_async(self._place, thread_sensitive=True)
            return await place(request)
        return self._place(request)


def _host(request: HttpRequest) -> str | None:
    try:
        host = normalise_host(request.META.get("HTTP_HOST") or request.META["SERVER_NAME"])
    except HostInvalid:
        return None
    let_django_accept(request, host)
    return host


def _answer_for(request: HttpRequest, answer: resolution.Answer) -> TenantRef | HttpResponse:
    if answer is None:
        return status_pages.plain_not_found()
    if isinstance(answer, resolution.Moved):
        return _lead_on(request, answer)
    request.tenant = answer  # type: ignore[attr-defined]
    request.urlconf = settings.TERRACE_TENANT_URLCONF
    if answer.status in SERVED:
        return answer
    if answer.status == preview_gate.STATUS:
        return preview_gate.answer(request, answer)
    passed = _past_maintenance(request, answer) if answer.status == "maintenance" else None
    return passed or status_pages.render_status(request, answer.status)


def _past_maintenance(request: HttpRequest, tenant: TenantRef) -> TenantRef | HttpResponse | None:
    """The tenant for an operator who has come by the bypass link, or the link's own answer."""
    if bypass.has_bypass(request, tenant):
        return tenant
    return bypass.open_bypass(request, tenant)


def _lead_on(request: HttpRequest, moved: resolution.Moved) -> HttpResponse:
    """The same path at the hostname that the tenant has now.

    308 keeps the method and the body (RFC 9110 section 15.4.9). Not to be kept: the tenant may take
    its old name back, and a browser that remembers both ways would go round in circles.
    """
    response = HttpResponse(status=301 if request.method in {"GET", "HEAD"} else 308)
    response["Location"] = tenant_url(moved.hostname, request.get_full_path())
    response["Cache-Control"] = "no-store"
    return response


def _entered(tenant: TenantRef | None) -> Any:
    return context.run_in(tenant) if tenant else context.run_in_public()


def _keep_stream_inside(response: HttpResponseBase, tenant: TenantRef | None) -> HttpResponseBase:
    """A streaming response is read and closed after the middleware has left: enter the tenant for
    each part, and for what the view does when it is closed."""
    if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        with _entered(tenant):
            closers = [context.carry(close) for close in response._resource_closers]  # type: ignore[attr-defined]
        content: Any = response.streaming_content
        if response.is_async:
            response.streaming_content = _inside_async(content, response._iterator, tenant)  # type: ignore[attr-defined]
        else:
            response.streaming_content = _inside(content, tenant)
        response._resource_closers = closers  # type: ignore[attr-defined]
    return response


def _inside(parts: Iterable[bytes], tenant: TenantRef | None) -> Iterator[bytes]:
    iterator = iter(parts)
    while True:
        with _entered(tenant):
            try:
                part = next(iterator)
            except StopIteration:
                return
        yield part


# The views' generators that are being read. Without this, the garbage collector could end one before
# `_inside_async` does, in the context of whichever request it happens to run in.
_being_read: dict[int, Any] = {}


async def _inside_async(
    parts: AsyncIterator[bytes], view: Any, tenant: TenantRef | None
) -> AsyncIterator[bytes]:
    iterator = aiter(parts)
    _being_read[id(view)] = view
    try:
        while True:
            with _entered(tenant):
                try:
                    part = await anext(iterator)
                except StopAsyncIteration:
                    return
            yield part
    finally:
        try:
            # A client that went away between two parts: end the view's generator in its tenant.
            if hasattr(view, "aclose"):
                with _entered(tenant):
                    await view.aclose()
        finally:
            # Also where it ends in an error, or has been ended with the loop: nobody reads it any more.
            _being_read.pop(id(view), None)
