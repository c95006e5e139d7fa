"""What each request of a person does besides: their clock for the times shown, and when they were seen."""

import zoneinfo
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.middleware import get_user
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.decorators import sync_and_async_middleware
from django.utils.functional import SimpleLazyObject

from tenant_apps.users import sign_ins
from tenant_apps.users.models import User

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
# Programs get times in UTC, whoever they act for.
_API: Final = "/api/"


@sync_and_async_middleware
def people_middleware(get_response: Answer) -> Callable[[HttpRequest], Any]:
    """Show times in the time zone of whoever asks, from when it is known who that is; afterwards note
    that they were here."""

    async def answer_async(request: HttpRequest) -> HttpResponseBase:
        if getattr(request, "tenant", None) is None:
            return await cast("Awaitable[HttpResponseBase]", get_response(request))
        _set_clock_when_known(request)
        try:
            response = await cast("Awaitable[HttpResponseBase]", get_response(request))
            await sync_to_async(sign_ins.note_seen)(request)
        finally:
            timezone.deactivate()
        return response

    def answer(request: HttpRequest) -> HttpResponseBase:
        if getattr(request, "tenant", None) is None:
            return cast("HttpResponseBase", get_response(request))
        _set_clock_when_known(request)
        try:
            response = cast("HttpResponseBase", get_response(request))
            sign_ins.note_seen(request)
        finally:
            timezone.deactivate()
        return response

    return answer_async if iscoroutinefunction(get_response) else answer


def _set_clock_when_known(request: HttpRequest) -> None:
    # As AuthenticationMiddleware's own: asked for when somebody wants to know, and once.
    request.user = cast("User", SimpleLazyObject(lambda: _known(request)))


def _known(request: HttpRequest) -> Any:
    person = get_user(request)
    if isinstance(person, User) and not request.path_info.startswith(_API):
        if person.time_zone:
            timezone.activate(zoneinfo.ZoneInfo(person.time_zone))
        if person.language:
            translation.activate(person.language)
    return person
