"""What a tenant's host answers where no page is: the way on, where the site before had one there."""

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect

from shared_apps.domains.status_pages import page_not_found
from tenant_apps.articles.moving_in.addresses import find_target


def page_of_the_site_before(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: asked only when no page answered, so that none is ever hidden. One query."""
    if request.method in {"GET", "HEAD"} and getattr(request, "tenant", None) is not None:
        target = find_target(request.get_full_path())
        if target is not None:
            return HttpResponsePermanentRedirect(target)
    return page_not_found(request, exception)
