"""Feeds and the sitemap: the same for everybody, so nobody's session is looked at."""

import hashlib

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from tenant_apps.articles import sharing

_TYPES = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
}
# So many digits has a page at most.
_MAX_DIGITS = 4


@require_safe
def rss_feed(request: HttpRequest) -> HttpResponseBase:
    return _answer(request, sharing.make_feed("rss"), _TYPES["rss"])


@require_safe
def atom_feed(request: HttpRequest) -> HttpResponseBase:
    return _answer(request, sharing.make_feed("atom"), _TYPES["atom"])


@require_safe
def sitemap(request: HttpRequest) -> HttpResponseBase:
    """The sitemap, or one page of it: `?page=2`."""
    asked = request.GET.get("page")
    page = None
    if asked is not None:
        if not (asked.isascii() and asked.isdecimal() and len(asked) <= _MAX_DIGITS and int(asked)):
            raise Http404("A page of the sitemap is a number, from 1.")
        page = int(asked)
    found = sharing.make_sitemap(page)
    if found is None:
        raise Http404("The sitemap has no such page.")
    return _answer(request, found, "application/xml; charset=utf-8")


def _answer(request: HttpRequest, body: str, content_type: str) -> HttpResponseBase:
    content = body.encode()
    response = HttpResponse(content, content_type=content_type)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    answer: HttpResponseBase | None = get_conditional_response(
        request, etag=etag, response=response
    )
    return answer or response
