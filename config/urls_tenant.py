"""What a tenant's host serves."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path, re_path

from shared_apps.tenants.media import serve_media
from tenant_apps.api.views import not_found as api_not_found
from tenant_apps.workspace.admin import tenant_admin

urlpatterns: list[URLPattern | URLResolver] = [
    path("media/<path:name>", serve_media, name="media"),
    path("admin/", tenant_admin.urls),
    path("account/", include("allauth.account.urls")),
    path("account/2fa/", include("allauth.mfa.urls")),
    path("api/v1/", include("tenant_apps.workspace.api_urls")),
    re_path("^api/", api_not_found),
    path("", include("tenant_apps.users.urls")),
    path("", include("tenant_apps.activity.urls")),
    path("", include("tenant_apps.articles.urls")),
    path("", include("tenant_apps.products.urls")),
    path("", include("tenant_apps.workspace.urls")),
]
if settings.DEBUG:
    urlpatterns += [
        path("__debug__/", include("debug_toolbar.urls")),
        path("__reload__/", include("django_browser_reload.urls")),
    ]

handler400 = "shared_apps.domains.status_pages.bad_request"
handler403 = "shared_apps.domains.status_pages.permission_denied"
handler404 = "config.not_found.page_of_the_site_before"
handler500 = "shared_apps.domains.status_pages.server_error"
