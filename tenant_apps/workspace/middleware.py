"""The workspace's row for a request, read once, and the door of a site that its owner has closed."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import set_urlconf
from django.utils.decorators import sync_and_async_middleware
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from shared_apps.tenants.problems import answer_problem
from tenant_apps.users.authentication import BearerAuthentication
from tenant_apps.workspace import closing
from tenant_apps.workspace.kept_row import held, read_workspace
from tenant_apps.workspace.models import Workspace
from tenant_apps.workspace.permissions import comes_in_when_closed

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
_API: Final = "/api/"
# What asks for no row: files.
_FILES: Final = ("/media/", "/static/")
# Where one logs in or is let in, and what the message itself needs. What else is there needs a log-in.
_OPEN: Final = (
    *("/account/", "/admin/", "/welcome/", "/invitations/", "/workspace/style-", "/robots.txt"),
    *("/api/v1/auth/", "/dashboard/report/"),
)
# Whoever wants no more letters never waits (RFC 8058 section 3.1).
_WAY_OUT = re.compile(r"\A/subscription/[^/]+/leave/\Z")


class _AnyScope:
    """Stands for the view, whose scope is compared when it is asked: here it is only said who asks."""

    scope = None


@sync_and_async_middleware
def workspace_middleware(get_response: Answer) -> Callable[[HttpRequest], Any]:
    """Read the workspace's row once for all that ask, and answer visitors of a closed site. After the
    middleware that knows who asks."""

    async def answer_async(request: HttpRequest) -> HttpResponseBase:
        if not _is_asked(request):
            return await cast("Awaitable[HttpResponseBase]", get_response(request))
        workspace = await sync_to_async(read_workspace)()
        with held(workspace):
            refusal = await sync_to_async(_refusal)(request, workspace)
            return refusal or await cast("Awaitable[HttpResponseBase]", get_response(request))

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not _is_asked(request):
            return cast("HttpResponseBase", get_response(request))
        workspace = read_workspace()
        with held(workspace):
            refusal = _refusal(request, workspace)
            return refusal or cast("HttpResponseBase", get_response(request))

    return answer_async if iscoroutinefunction(get_response) else answer


def _is_asked(request: HttpRequest) -> bool:
    has_tenant = getattr(request, "tenant", None) is not None
    return has_tenant and not request.path_info.startswith(_FILES)


def _refusal(request: HttpRequest, workspace: Workspace) -> HttpResponse | None:
    if workspace.closed_at is None or _is_open(request.path_info):
        return None
    if comes_in_when_closed(_who(request)):
        return None
    wait = closing.retry_after(workspace)
    response = _problem(request, workspace) if _wants_json(request) else _page(request)
    response.headers["Retry-After"] = str(int(wait.total_seconds()))
    response.headers["Cache-Control"] = "no-store"
    return response


def _is_open(path: str) -> bool:
    return path.startswith(_OPEN) or _WAY_OUT.match(path) is not None


def _who(request: HttpRequest) -> Any:
    """Whoever asks: by the session, or at the API by a token."""
    if request.path_info.startswith(_API):
        asked = Request(request, parser_context={"view": _AnyScope})
        try:
            found = BearerAuthentication().authenticate(asked)
        except APIException:
            return AnonymousUser()
        if found is not None:
            return found[0]
    return request.user


def _wants_json(request: HttpRequest) -> bool:
    if request.path_info.startswith(_API):
        return True
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _problem(request: HttpRequest, workspace: Workspace) -> HttpResponse:
    return answer_problem(
        request,
        name="site-closed",
        status=503,
        detail=workspace.closed_message or "This site is closed for a while. Try again later.",
    )


def _page(request: HttpRequest) -> HttpResponse:
    # Django does so when it looks the view up, which is never done for this request.
    set_urlconf(settings.TERRACE_TENANT_URLCONF)
    try:
        return render(request, "tenant/workspace/closed.html", status=503)
    finally:
        set_urlconf(None)
