"""The document of the API, the page that shows it, and the answer where there is nothing."""

import threading
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.tenants.problems import answer_problem

# The document is the same until the code changes; a process that is new makes it anew.
_KEPT_SECONDS = 300
_KEPT_AT = "api:document"
# drf-spectacular looks for what it extends when it is asked for the first time: a second thread that
# asks meanwhile gets an error.
_ONE_AT_A_TIME = threading.Lock()
_GENERATOR: Any = SchemaGenerator  # drf-spectacular has no types here


class Document(APIView):
    """This API, as OpenAPI 3.1 describes it: JSON, or YAML for whoever prefers it."""

    renderer_classes = [OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer]
    schema = None
    scope: str | None = None

    def get(self, request: Request) -> Response:
        document: Any = cache.get(_KEPT_AT)
        if document is None:
            with _ONE_AT_A_TIME:
                document = cache.get(_KEPT_AT) or _made()
        return Response(document)


def _made() -> Any:
    generator: Any = _GENERATOR(urlconf=settings.TERRACE_TENANT_URLCONF)
    document = generator.get_schema(request=None, public=True)
    cache.set(_KEPT_AT, document, _KEPT_SECONDS)
    return document


@require_safe
def show_document(request: HttpRequest) -> HttpResponse:
    """Swagger UI, from files of our own."""
    return render(request, "tenant/api/document.html")


@csrf_exempt
def not_found(request: HttpRequest) -> HttpResponse:
    """404 as the API tells it; or the way, where nothing but the slash at the end is missing."""
    if not request.path_info.endswith("/") and _leads_somewhere(f"{request.path_info}/"):
        path = request.get_full_path(force_append_slash=True)
        response = HttpResponsePermanentRedirect(path)
        response.status_code = 308  # keeps the method and the body (RFC 9110 section 15.4.9)
        return response
    return answer_problem(
        request, name="not-found", status=404, detail="There is nothing at this address."
    )


def _leads_somewhere(path: str) -> bool:
    try:
        return resolve(path).func is not not_found
    except Resolver404:
        return False
