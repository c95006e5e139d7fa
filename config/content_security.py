"""Content-Security-Policy for every page.

The admins' Alpine (tenants' at /admin/, operators' at /operators/) needs 'unsafe-eval' and inline
styles; they get a policy of their own, and no other page that exception.
"""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

# A form on the public host may end in a redirect to the new tenant's host: browsers check
# form-action along the redirect (https://www.w3.org/TR/CSP3/#directive-form-action).
_HOSTS = f"{settings.TERRACE_SCHEME}://*.{settings.TERRACE_BASE_DOMAIN}:*"
STRICT = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; "
    f"object-src 'none'; base-uri 'none'; form-action 'self' {_HOSTS}; frame-ancestors 'none'"
)
ADMIN = STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
# The debug toolbar and the browser reload of a developer's machine use inline parts.
LOCAL = ADMIN.replace("'unsafe-eval'", "'unsafe-eval' 'unsafe-inline'")
_ADMINS = ("/admin/", "/operators/")


class ContentSecurityMiddleware:
    """Sets the header where the view has not."""

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer with the policy that fits the path."""
        if self.is_async:
            return self._answer(request)
        return _with_policy(request, cast("HttpResponseBase", self.get_response(request)))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return _with_policy(
            request, await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        )


def _with_policy(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    policy = ADMIN if request.path.startswith(_ADMINS) else STRICT
    response.headers.setdefault("Content-Security-Policy", LOCAL if settings.DEBUG else policy)
    return response
