"""Every error of the API in one shape (RFC 9457): REST_FRAMEWORK's EXCEPTION_HANDLER.

    {"type": "urn:terrace:problem:invalid-input", "title": "Bad Request", "status": 400,
     "detail": "…", "errors": [{"pointer": "#/title", "code": "required", "detail": "…"}]}

An app says once which of its own errors mean that something cannot be done now: they become 409,
and no endpoint has to catch them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest
from rest_framework import exceptions, status
from rest_framework.fields import get_error_detail
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from shared_apps.tenants.problems import PROBLEM_JSON, problem
from tenant_apps.api.errors import Conflict, WrongParameter
from tenant_apps.api.kept_answers import Replayed

# Django REST framework's codes whose names say too little on their own.
_NAMES: Final = {
    "invalid": "invalid-input",
    "parse_error": "unreadable-request",
    "authentication_failed": "not-authenticated",
    "permission_denied": "not-allowed",
    "throttled": "too-many-requests",
    "error": "broken",
}
_NOT_FOUND: Final = "There is nothing at this address."
_refusals: dict[type[Exception], type[exceptions.APIException]] = {}


class TooLarge(exceptions.APIException):
    """The body is larger than the server reads."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "This is more than can be sent at once."


def register_refusal(
    error: type[Exception], *, answer: type[exceptions.APIException] = Conflict
) -> None:
    """Say what the API answers for an app's own error, and for those made from it; its sentence is
    told. Call it in `AppConfig.ready()`."""
    _refusals[error] = answer


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Any:
    """The answer for an error of a view, with the transaction rolled back.

    Returns:
        None for what nobody foresaw: Django's handler500 tells it in the same shape.
    """
    if isinstance(error, Replayed):
        return error.response
    known = _as_known(error)
    if known is None:
        return None
    set_rollback()
    request = context.get("request")
    if (
        isinstance(known, exceptions.PermissionDenied)
        and known is not error  # its own say by themselves whom they refuse, and what (CSRF)
        and not _is_somebody(request)
    ):
        known = _nobody(context)
    return tell(known, getattr(request, "_request", request))


def tell(error: exceptions.APIException, request: HttpRequest | None) -> Response:
    """The answer for an error, with the transaction as it is."""
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait) + (int(wait) < wait))
    members: dict[str, Any] = dict(getattr(error, "members", {}))
    if isinstance(error, WrongParameter):
        found = [
            _error(sentence, error.default_code, parameter=name)
            for name, sentences in error.sentences.items()
            for sentence in sentences
        ]
    elif isinstance(error.detail, dict | list):
        found = list(_flattened(error.detail, "#"))
    else:
        found = []
    if found:
        members["errors"] = found
    body = problem(
        name=_name_of(error),
        status=error.status_code,
        detail=_sentence_of(error, found),
        request=request,
        **members,
    )
    return Response(body, error.status_code, headers=headers, content_type=PROBLEM_JSON)


def _is_somebody(request: Any) -> bool:
    return bool(getattr(getattr(request, "user", None), "is_authenticated", False))


def _nobody(context: Mapping[str, Any]) -> exceptions.APIException:
    """What a verb refuses to somebody who has not said who they are: 401, not 403 (RFC 9110 section
    15.5.2), with the ways in."""
    refusal: Any = exceptions.NotAuthenticated()
    view, request = context.get("view"), context.get("request")
    if view is not None and (header := view.get_authenticate_header(request)):
        refusal.auth_header = header
    answer: exceptions.APIException = refusal
    return answer


def _as_known(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if refusal := next(
        (_refusals[kind] for kind in type(error).__mro__ if kind in _refusals), None
    ):
        return refusal(str(error))
    return _as_djangos(error)


def _as_djangos(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, Http404):
        # Its own words name models.
        return exceptions.NotFound(_NOT_FOUND)
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    if isinstance(error, DjangoValidationError):
        return exceptions.ValidationError(get_error_detail(error))
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    return None


def _name_of(error: exceptions.APIException) -> str:
    code = error.default_code
    if not isinstance(error.detail, dict | list):
        # A code that was given to this one error says more than its class.
        code = getattr(error.detail, "code", None) or code
    return _NAMES.get(code, code.replace("_", "-"))


def _sentence_of(error: exceptions.APIException, found: list[dict[str, str]]) -> str:
    if not isinstance(error.detail, dict | list):
        return _NOT_FOUND if isinstance(error, exceptions.NotFound) else str(error.detail)
    if len(found) == 1 and found[0].get("pointer") == "#":
        return found[0]["detail"]
    return "Some of what was sent can't be used. `errors` says what, and why."


def _flattened(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """Each sentence with the place that it is about, as a JSON pointer (RFC 6901 section 6)."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            general = name in {api_settings.NON_FIELD_ERRORS_KEY, NON_FIELD_ERRORS}
            step = str(name).replace("~", "~0").replace("/", "~1")
            yield from _flattened(inner, pointer if general else f"{pointer}/{step}")
    elif isinstance(detail, list | tuple):
        for number, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list | tuple)
            if nested and not inner:
                continue  # an item of a list that is right
            yield from _flattened(inner, f"{pointer}/{number}" if nested else pointer)
    else:
        yield _error(str(detail), getattr(detail, "code", "invalid"), pointer=pointer)


def _error(sentence: str, code: str, **place: str) -> dict[str, str]:
    return {**place, "code": code, "detail": sentence}
