from typing import cast

from django.contrib.auth.models import AbstractBaseUser
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from tenant_apps.activity import streams


@never_cache
@transaction.non_atomic_requests
@require_GET
def follow(request: HttpRequest) -> HttpResponseBase:
    """What is new for the person, as server-sent events (HTML Living Standard, section 9.2).

    204 ends a browser's asking for good, and its page then asks by htmx: for whoever isn't logged in,
    has as many streams open as one may, or is served by threads, one of which each stream would keep.
    """
    if not request.user.is_authenticated or not isinstance(request, ASGIRequest):
        return HttpResponse(status=204)
    person = cast("AbstractBaseUser", request.user)
    slot = streams.take_slot(person.pk)
    if slot is None:
        return HttpResponse(status=204)
    events = streams.follow(
        person_id=person.pk,
        session_key=request.session.session_key or "",
        slot=slot,
        last_id=request.headers.get("Last-Event-ID", ""),
    )
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    # Proxies would keep the events until the stream ends.
    response["X-Accel-Buffering"] = "no"
    return response
