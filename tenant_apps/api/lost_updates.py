"""ETag and If-Match: two people change one thing, and nobody's change is lost (RFC 9110 section 13).

An ETag has two halves, `"<version>-<content>"`. The version is the row's: If-Match compares it, under
the row's lock. The content is that of the bytes sent: If-None-Match compares the whole, so that a
304 is right for whoever asked, with whichever `?fields=`.

Both stand in REST_FRAMEWORK's DEFAULT_PERMISSION_CLASSES, so each view has them that finds its object
with `get_object`. A view with `needs_if_match = True` refuses PUT and PATCH without the header.
"""

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from tenant_apps.api import kept_answers
from tenant_apps.api.errors import IfMatchNeeded, SomebodyElseSaved, WrongParameter

if TYPE_CHECKING:
    # Django REST framework reads these settings while its views are being imported.
    from rest_framework.views import APIView

_VERSION: Final = "terrace_version"
_CHECKED: Final = "terrace_if_match_checked"
# RFC 9110 section 8.8.3, in a list.
_TAG: Final = r'(W/)?"[!#-~]*"'
TAGS: Final = rf"^(\*|{_TAG}( *, *{_TAG})*)$"
_TAGS = re.compile(TAGS)
_HALF: Final = 20  # hexadecimal digits


def version_of(row: models.Model) -> str:
    """What changes with each change of a row: its `version`, else its `updated_at`, else all of it but
    what the model names in `NO_CHANGE` (what is written by being used, as the last log-in)."""
    names = {field.attname for field in row._meta.concrete_fields}
    telling = next((name for name in ("version", "updated_at") if name in names), None)
    if telling is None:
        left_out: frozenset[str] = getattr(row, "NO_CHANGE", frozenset())
        known = [(name, getattr(row, name)) for name in sorted(names - left_out)]
    else:
        known = [(telling, getattr(row, telling))]
    return _digest(f"{row._meta.label} {row.pk} {known!r}".encode())


class LostUpdates(BasePermission):
    """Compares If-Match with the object that a view has found."""

    def has_object_permission(self, request: Request, view: "APIView", obj: Any) -> bool:
        if not isinstance(obj, models.Model):
            return True
        asked = request._request
        if request.method in SAFE_METHODS or hasattr(asked, _CHECKED):
            # Read, or read again after a change: this is what the answer shows.
            setattr(asked, _VERSION, version_of(obj))
            return True
        setattr(asked, _CHECKED, True)
        given = request.headers.get("If-Match")
        if given is not None:
            _require_current(obj, given)
        elif request.method in {"PUT", "PATCH"} and getattr(view, "needs_if_match", False):
            raise IfMatchNeeded
        return True


class OnceOnly(BasePermission):
    """Begins the work of a request with an Idempotency-Key, when it is known who asks. The last of
    the permissions: whoever may not do it begins nothing."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        attempt: kept_answers.Attempt | None = getattr(request._request, "terrace_attempt", None)
        is_begun = attempt is None or attempt.kept is not None
        if attempt is not None and not is_begun and request.user.is_authenticated:
            kept_answers.begin(attempt, person_id=request.user.pk)
        return True


def tag_answer(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The answer with its ETag, or 304 where the client has it already.

    Args:
        response: rendered, of a view that may have found an object.
    """
    version: str | None = getattr(request, _VERSION, None)
    is_read = request.method in {"GET", "HEAD"}
    if response.status_code != 200 or response.streaming or not (is_read or version):  # noqa: PLR2004
        return response
    content = _digest(response.content)  # type: ignore[attr-defined]
    etag = f'"{version}-{content}"' if version else f'"{content}"'
    response.headers["ETag"] = etag
    if not is_read or "If-None-Match" not in request.headers:
        return response
    answer: HttpResponseBase = get_conditional_response(request, etag=etag, response=response)  # type: ignore[arg-type, assignment]
    return answer


def _require_current(row: models.Model, given: str) -> None:
    # Not type(row): the person who asks is a lazy object around the row.
    rows: Any = row.__class__._base_manager
    if not _TAGS.match(given.strip()):
        raise WrongParameter("If-Match", 'If-Match is *, or ETags: in quotes, as "abc".')
    # Nobody changes it between this look and the change.
    now = rows.select_for_update(of=("self",)).filter(pk=row.pk).first()
    if now is None or version_of(now) != version_of(row):
        raise SomebodyElseSaved
    if given.strip() == "*":
        return
    # A weak tag never matches here (RFC 9110 section 8.8.3.2).
    versions = {tag.strip('"').partition("-")[0] for tag in parse_etags(given) if tag[0] == '"'}
    if version_of(now) not in versions:
        raise SomebodyElseSaved


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_HALF]
