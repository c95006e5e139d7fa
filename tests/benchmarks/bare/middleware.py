"""The templates ask for the request's tenant; here it is always the same."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from shared_apps.tenants import context


def the_one_tenant(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Stands where Terrace's middleware looks for the tenant."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.tenant = context.current_tenant()
        return get_response(request)

    return middleware
