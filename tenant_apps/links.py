from django.conf import settings
from django.urls import reverse

from shared_apps.tenants.context import TenantRef


def page_url(tenant: TenantRef, view_name: str, *args: object) -> str:
    """The full address of a page of this tenant, for letters and other places without a request."""
    # Outside of a request Django would look the name up among the public site's pages.
    return full_url(tenant, reverse(view_name, urlconf=settings.TERRACE_TENANT_URLCONF, args=args))


def page_path(view_name: str, *args: object) -> str:
    """The same without the host, for links that stay in the workspace."""
    return reverse(view_name, urlconf=settings.TERRACE_TENANT_URLCONF, args=args)


def full_url(tenant: TenantRef, path: str) -> str:
    """The full address of what stands at a path of this tenant's site.

    Args:
        path: with a slash at its beginning.
    """
    port = "" if settings.TERRACE_SCHEME == "https" else f":{settings.TERRACE_PORT}"
    return f"{settings.TERRACE_SCHEME}://{tenant.hostname}{port}{path}"
