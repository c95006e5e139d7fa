"""One shape for every error that a program is told: application/problem+json (RFC 9457)."""

import uuid
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse

PROBLEM_JSON: Final = "application/problem+json"
# A name, not an address: nothing has to be fetched to understand it (RFC 9457 section 3.1.1).
_TYPE: Final = "urn:terrace:problem:"


def problem(
    *, name: str, status: int, detail: str, request: HttpRequest | None = None, **members: Any
) -> dict[str, Any]:
    """What a program is told of an error.

    Args:
        name: what went wrong, in words with hyphens; programs compare the type that is made of it.
        status: the HTTP status that the answer has.
        detail: a sentence that says what is wrong here and what to do.
        request: names the answer (`instance`), so that it is found in the log again.
        members: what else this type of problem tells (RFC 9457 section 3.2).
    Runs in: no schema.
    """
    body = {
        "type": f"{_TYPE}{name}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }
    request_id = getattr(request, "request_id", "")
    if request_id:
        body["instance"] = (
            f"urn:uuid:{uuid.UUID(request_id)}" if _is_uuid(request_id) else request_id
        )
    return body


def answer_problem(
    request: HttpRequest | None, *, name: str, status: int, detail: str, **members: Any
) -> HttpResponse:
    """The whole answer, for code that stands outside of the API's views."""
    body = problem(name=name, status=status, detail=detail, request=request, **members)
    return JsonResponse(body, status=status, content_type=PROBLEM_JSON)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
