from django.conf import settings
from django.urls import reverse

from shared_apps.tenants.context import TenantRef


def page_path(view_name: str, *args: object) -> str:
    """The path of a tenant's page, also where no request says whose pages are meant: in a task Django
    would look the name up among the public site's."""
    return reverse(view_name, urlconf=settings.TERRACE_TENANT_URLCONF, args=args)


def page_url(tenant: TenantRef, view_name: str, *args: object) -> str:
    """The full address of a page of this tenant, for letters and other places without a request."""
    path = page_path(view_name, *args)
    port = "" if settings.TERRACE_SCHEME == "https" else f":{settings.TERRACE_PORT}"
    return f"{settings.TERRACE_SCHEME}://{tenant.hostname}{port}{path}"
