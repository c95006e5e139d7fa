"""What the public host serves."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path

from shared_apps.operators.admin_site import operators_admin


def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", healthz),
    path("operators/", operators_admin.urls),
    path("", include("shared_apps.front_door.urls")),
]
if settings.DEBUG:
    urlpatterns += [
        path("__debug__/", include("debug_toolbar.urls")),
        path("__reload__/", include("django_browser_reload.urls")),
    ]

handler400 = "shared_apps.domains.status_pages.bad_request"
handler403 = "shared_apps.domains.status_pages.permission_denied"
handler404 = "shared_apps.domains.status_pages.page_not_found"
handler500 = "shared_apps.domains.status_pages.server_error"
