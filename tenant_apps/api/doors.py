"""What every endpoint does besides its own work, put around it where the addresses are made."""

import functools
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from tenant_apps.api import kept_answers, lost_updates, problems, sparse_fields, throttling
from tenant_apps.api.errors import WrongParameter

View = Callable[..., Any]


def with_manners(patterns: Iterable[URLPattern | URLResolver]) -> list[URLPattern]:
    """The same addresses, each view with the manners of this API: Idempotency-Key, ETag and 304,
    `?fields=`, RateLimit headers.

    Inside of ATOMIC_REQUESTS' transaction, which Django puts around what stands here.
    """
    return [
        URLPattern(one.pattern, _door(one.callback), one.default_args, one.name)
        for one in patterns
        if isinstance(one, URLPattern)
    ]


def with_manners_around(view: View) -> View:
    """One view with the manners of this API; for an asynchronous one that calls it in a thread."""
    return _door(view)


def _door(view: View) -> View:
    if iscoroutinefunction(view):
        return view
    # A view whose answer must not be kept (a secret that is shown once) says so.
    keeps = getattr(getattr(view, "cls", None), "keeps_answers", True)

    @functools.wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            _require_text(request)
            attempt = kept_answers.attempt_of(request) if keeps else None
        except APIException as error:
            return _told(request, error)
        request.terrace_attempt = attempt  # type: ignore[attr-defined]
        with kept_answers.freed(attempt) if attempt else nullcontext():
            response = _finished(request, view(request, *args, **kwargs))
            if attempt:
                kept_answers.keep(attempt, response)
        return response

    return door


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if isinstance(response, Response):
        wanted = request.GET.get(sparse_fields.PARAMETER)
        is_read = request.method in {"GET", "HEAD"} and response.status_code == 200  # noqa: PLR2004
        if wanted is not None and is_read and response.data:
            try:
                response.data = sparse_fields.keep_fields(response.data, wanted)
            except WrongParameter as error:
                return _told(request, error)
        response.render()
    response.headers.setdefault("Cache-Control", "private, no-cache")
    throttling.tell_limits(request, response)
    return lost_updates.tag_answer(request, response)


def _told(request: HttpRequest, error: APIException) -> HttpResponseBase:
    told = problems.tell(error, request)
    response = JsonResponse(told.data, status=told.status_code, content_type=told.content_type)
    throttling.tell_limits(request, response)
    return response


def _require_text(request: HttpRequest) -> None:
    """PostgreSQL has no NUL in its texts: what asks for one can't be found, and is no error of ours."""
    for name, values in request.GET.lists():
        if "\0" in name or any("\0" in value for value in values):
            raise WrongParameter(name.replace("\0", ""), "There is no text with a NUL in it.")
