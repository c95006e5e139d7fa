"""What programs read of the site: its stylesheet, its sitemap, and what robots may read."""

from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from tenant_apps.workspace import sitemaps
from tenant_apps.workspace.kept_row import known_workspace
from tenant_apps.workspace.look import Look, read_look
from tenant_apps.workspace.models import LookRelease
from tenant_apps.workspace.showing import shown_look
from tenant_apps.workspace.stylesheet import CONTENT_TYPE, make_stylesheet

_FOR_EVER = "public, max-age=31536000, immutable"
_TEXT = "text/plain; charset=utf-8"
_XML = "application/xml; charset=utf-8"
_MAX_DIGITS = 4


@require_safe
def style(request: HttpRequest, version: str) -> HttpResponse:
    """The colours and faces of one version: what is published, what was, or the draft to who tries it."""
    look = _published(version)
    if look is not None:
        response = HttpResponse(make_stylesheet(look), content_type=CONTENT_TYPE)
        response.headers["Cache-Control"] = _FOR_EVER
        return response
    tried = shown_look(request)
    if not tried.is_preview or tried.look.style_version != version:
        raise Http404("There is no such stylesheet.")
    response = HttpResponse(make_stylesheet(tried.look), content_type=CONTENT_TYPE)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _published(version: str) -> Look | None:
    """No query for the current one. Pages that were made before the last release ask for older ones."""
    look = read_look(known_workspace().look)
    if look.style_version == version:
        return look
    release = LookRelease.objects.filter(style=version).first()
    return read_look(release.look) if release else None


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """What search engines may read (RFC 9309): nothing of a closed site or of a backup."""
    tenant = request.tenant  # type: ignore[attr-defined]  # set by the tenant middleware
    is_shut = known_workspace().closed_at is not None or tenant.status == "preview"
    response = HttpResponse(sitemaps.make_robots(allows=not is_shut), content_type=_TEXT)
    response.headers["Cache-Control"] = "no-store" if is_shut else "public, max-age=3600"
    return response


@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """The list of the sitemaps."""
    return HttpResponse(sitemaps.make_index(), content_type=_XML)


@require_safe
def product_sitemap(request: HttpRequest) -> HttpResponseBase:
    """One page of the products' sitemap: `?page=2`."""
    asked = request.GET.get("page", "1")
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= _MAX_DIGITS and int(asked)):
        raise Http404("A page of the sitemap is a number, from 1.")
    found = sitemaps.make_product_sitemap(int(asked))
    if found is None:
        raise Http404("The sitemap has no such page.")
    return cast("HttpResponseBase", HttpResponse(found, content_type=_XML))
