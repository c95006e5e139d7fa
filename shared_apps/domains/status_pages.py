"""What a host answers instead of a page: its tenant isn't served, nobody lives there, or an error.

Each answer comes as a page or as JSON (RFC 9457), whichever the client asked for. None is cached and none
sets a cookie.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from shared_apps.tenants.problems import answer_problem

# These answers leave before the middleware that sets the policy of ordinary pages.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; script-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """`sentence` may name {support_email}."""

    code: int
    sentence: str
    retry_after: timedelta | None = None


_STATUSES: Final = {
    "provisioning": _Answer(
        503, "This workspace is being set up. Try again in a moment.", timedelta(seconds=5)
    ),
    "maintenance": _Answer(
        503, "This workspace is closed for maintenance. Try again later.", timedelta(minutes=5)
    ),
    "read_only": _Answer(
        403, "This workspace is read-only for now. Nothing was changed; try again later."
    ),
    "suspended": _Answer(
        403,
        "This workspace is suspended. Its owner can write to {support_email} to have it opened again.",
    ),
    "archived": _Answer(
        410,
        "This workspace is archived. Its owner can write to {support_email} to have it brought back.",
    ),
    "erasure_scheduled": _Answer(
        410, "This workspace is closed and will be erased. Its owner can write to us to stop it."
    ),
}
_ERRORS: Final = {
    400: "This request can't be read. Go back, reload the page and try again.",
    403: "You may not see or do this here.",
    404: "There is nothing at this address.",
    429: "Too many requests. Wait a minute, then try again.",
    500: "Something broke on our side. It has been noted; try again in a moment.",
}
# The same names as the API's own views give (tenant_apps/api/problems.py).
_PROBLEMS: Final = {
    400: "unreadable-request",
    403: "not-allowed",
    404: "not-found",
    429: "too-many-requests",
    500: "broken",
}


def plain_not_found() -> HttpResponse:
    """404 for a host that leads nowhere: the same to the byte for each host, naming nobody."""
    return _guarded(HttpResponse(render_to_string("status/unknown_host.html"), status=404))


def render_status(request: HttpRequest, status: str) -> HttpResponse:
    """The page, or the JSON answer, of a tenant that isn't served (or that isn't written to).

    Args:
        request: with its `tenant` set.
        status: a value of `shared_apps.tenants.models.Status`. An erased tenant looks like none.
    Runs in: no schema; asks the database nothing.
    """
    if status == "erased":
        return plain_not_found()
    answer = _STATUSES[status]
    if wants_json(request):
        detail = answer.sentence.format(support_email=settings.TERRACE_SUPPORT_EMAIL)
        response = answer_problem(
            request,
            name=f"workspace-{status.replace('_', '-')}",
            status=answer.code,
            detail=detail,
            workspace_status=status,
        )
    else:
        response = HttpResponse(
            render_to_string(f"status/{status}.html", _facts(request)), status=answer.code
        )
    return _guarded(response, answer.retry_after)


def render_error(
    request: HttpRequest,
    code: int,
    *,
    sentence: str = "",
    retry_after: timedelta | None = None,
) -> HttpResponse:
    """The page, or the JSON answer, of an error.

    Args:
        code: 400, 403, 404, 429 or 500.
        sentence: what is wrong and what to do, where the caller knows it better.
    Runs in: no schema; asks the database nothing, so that it works when the database doesn't.
    """
    sentence = sentence or _ERRORS[code]
    if wants_json(request):
        response = answer_problem(request, name=_PROBLEMS[code], status=code, detail=sentence)
    else:
        page = render_to_string(
            f"errors/{code}.html", {**_facts(request), "code": code, "sentence": sentence}
        )
        response = HttpResponse(page, status=code)
    return _guarded(response, retry_after)


def wants_json(request: HttpRequest) -> bool:
    """Whether the client is a program: a path of the API, or JSON preferred to HTML."""
    if request.path.startswith("/api/"):
        return True
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return render_error(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403. The exception's words are shown: they are ours."""
    return render_error(request, 403, sentence=str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404. The exception's words are not shown: they name models and paths."""
    return render_error(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    return render_error(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    return render_error(
        request,
        403,
        sentence="This form has expired or came from elsewhere. Go back, reload the page and send "
        "it again. Cookies must be allowed for this address.",
    )


def _facts(request: HttpRequest) -> dict[str, Any]:
    return {
        "tenant": getattr(request, "tenant", None),
        "platform_host": settings.TERRACE_BASE_DOMAIN,
        "support_email": settings.TERRACE_SUPPORT_EMAIL,
    }


def _guarded(response: HttpResponse, retry_after: timedelta | None = None) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Content-Security-Policy"] = POLICY
    if retry_after:
        response["Retry-After"] = str(int(retry_after.total_seconds()))
    return response
