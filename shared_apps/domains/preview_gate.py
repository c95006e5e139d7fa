"""The door of a preview (a backup beside its tenant): shut to everybody without a pass, read-only.

To a stranger it looks like a host that leads nowhere. No search engine and no cache keeps it.
"""

from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import escape_leading_slashes

from shared_apps.domains import status_pages
from shared_apps.tenants.archive import preview_passes
from shared_apps.tenants.context import TenantRef

STATUS: Final = "preview"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def answer(request: HttpRequest, tenant: TenantRef) -> TenantRef | HttpResponse:
    """The tenant where the visitor has a pass and only reads; else the answer."""
    link_pass = request.GET.get(preview_passes.PARAMETER, "")
    if link_pass and preview_passes.is_link_pass(link_pass, tenant):
        return _keep_pass(request, tenant)
    if not preview_passes.is_cookie_pass(
        request.COOKIES.get(preview_passes.cookie_name(), ""), tenant
    ):
        return status_pages.plain_not_found()
    if request.method not in _READING:
        return status_pages.render_status(request, "read_only")
    return tenant


def mark(response: HttpResponseBase, tenant: TenantRef | None) -> None:
    """Keep a preview's pages out of search engines and caches."""
    if tenant is not None and tenant.status == STATUS:
        response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
        response.headers["Cache-Control"] = "no-store"


def _keep_pass(request: HttpRequest, tenant: TenantRef) -> HttpResponse:
    """The same address without the pass, which goes into a cookie of this host alone."""
    rest = [
        (name, value)
        for name, values in request.GET.lists()
        for value in values
        if name != preview_passes.PARAMETER
    ]
    path = escape_leading_slashes(request.path)
    response = HttpResponseRedirect(f"{path}?{urlencode(rest)}" if rest else path)
    response.set_cookie(
        preview_passes.cookie_name(),
        preview_passes.issue_pass(tenant),
        max_age=settings.TERRACE_PREVIEW_HOURS * 3600,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
    mark(response, tenant)
    return response
