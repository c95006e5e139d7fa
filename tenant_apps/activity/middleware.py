from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from shared_apps.tenants import visitors
from tenant_apps.activity import trail

Answer = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def origin_middleware(get_response: Answer) -> Callable[[HttpRequest], Any]:
    """Note the address that a request comes from, for the trail."""

    async def answer_async(request: HttpRequest) -> HttpResponseBase:
        with trail.from_address(visitors.address_of(request)):
            return await cast("Awaitable[HttpResponseBase]", get_response(request))

    def answer(request: HttpRequest) -> HttpResponseBase:
        with trail.from_address(visitors.address_of(request)):
            return cast("HttpResponseBase", get_response(request))

    return answer_async if iscoroutinefunction(get_response) else answer
