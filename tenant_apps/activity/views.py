import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tenant_apps.activity import endpoints, webhooks
from tenant_apps.activity.errors import WebhookError
from tenant_apps.activity.forms import EndpointForm, LogForm, ReplayForm
from tenant_apps.activity.models import WebhookDelivery, WebhookEndpoint
from tenant_apps.activity.permissions import require_manage_webhooks

PER_PAGE = 20

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def _for_managers(view: View[P]) -> View[P]:
    """The view for those who may manage webhooks: others are told so before anything is looked up."""

    @never_cache
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        require_manage_webhooks(request.user)
        return view(request, *args, **kwargs)

    return cast("View[P]", guarded)


@_for_managers
def list_webhooks(request: HttpRequest) -> HttpResponse:
    """The endpoints, and a new one, whose secret this answer alone shows."""
    form = EndpointForm(request.POST if request.method == "POST" else None)
    made, secret, status = None, "", 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                made, secret = endpoints.add_endpoint(by=_person(request), **form.cleaned_data)
            except WebhookError as error:
                form.add_error(error.field or None, str(error))
            else:
                form, status = EndpointForm(), 200
    page = Paginator(WebhookEndpoint.objects.all(), PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "tenant/activity/webhooks.html",
        {"form": form, "page": page, "made": made, "secret": secret, "section": "profile"},
        status=status,
    )


@_for_managers
def show_webhook(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One endpoint: what it wants, how it does, and what was sent to it."""
    endpoint = _endpoint(pk)
    form = EndpointForm(
        request.POST if request.method == "POST" else None,
        initial={name: getattr(endpoint, name) for name in endpoints.CHANGEABLE},
    )
    if request.method == "POST" and form.is_valid():
        try:
            endpoints.change_endpoint(
                endpoint=endpoint, changes=form.changes(), by=_person(request)
            )
        except WebhookError as error:
            form.add_error(error.field or None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect(endpoint)
    return _page_of(request, endpoint, form, status=400 if form.errors else 200)


@_for_managers
@require_POST
def rotate_secret(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A new secret, which this answer alone shows."""
    endpoint = _endpoint(pk)
    secret = endpoints.rotate_secret(endpoint=endpoint, by=_person(request))
    return _page_of(request, endpoint, None, secret=secret)


@_for_managers
@require_POST
def send_test(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send it a test event."""
    endpoint = _endpoint(pk)
    with _told(request):
        webhooks.send_test_event(endpoint=endpoint, by=_person(request))
        messages.success(
            request, "A test event is on its way. Load the page again to see it arrive."
        )
    return redirect(endpoint)


@_for_managers
@require_POST
def switch_on(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send it events again."""
    endpoint = _endpoint(pk)
    endpoints.switch_on(endpoint=endpoint, by=_person(request))
    messages.success(request, "It gets events from now on. What failed can be sent again below.")
    return redirect(endpoint)


@_for_managers
@require_POST
def switch_off(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send it nothing any more."""
    endpoint = _endpoint(pk)
    endpoints.switch_off(endpoint=endpoint, by=_person(request))
    messages.success(request, "It gets no events any more.")
    return redirect(endpoint)


@_for_managers
@require_POST
def replay_failed(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send all failed events since a time again."""
    endpoint = _endpoint(pk)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        return _page_of(request, endpoint, None, replay_form=form, status=400)
    with _told(request):
        count = webhooks.replay_failed(
            endpoint=endpoint, since=form.cleaned_data["since"], by=_person(request)
        )
        messages.success(request, f"{count} on the way again." if count else "None has failed.")
    return redirect(endpoint)


@_for_managers
@require_POST
def delete_webhook(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete an endpoint with its log."""
    endpoint = _endpoint(pk)
    endpoints.delete_endpoint(endpoint=endpoint, by=_person(request))
    messages.success(request, "The webhook is deleted.")
    return redirect("activity:webhooks")


@_for_managers
@require_GET
def show_delivery(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One event on its way to one endpoint: what was sent, and what was answered."""
    delivery = _delivery(pk)
    data = json.dumps(delivery.event.data, indent=2, ensure_ascii=False)
    return render(
        request,
        "tenant/activity/delivery.html",
        {"delivery": delivery, "data": data, "section": "profile"},
    )


@_for_managers
@require_POST
def replay(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send an event once more."""
    delivery = _delivery(pk)
    with _told(request):
        webhooks.replay_delivery(delivery=delivery, by=_person(request))
        messages.success(request, "On its way again.")
    return redirect(delivery)


@contextmanager
def _told(request: HttpRequest) -> Iterator[None]:
    """Say what a verb refuses, and go on."""
    try:
        yield
    except WebhookError as error:
        messages.error(request, str(error))


def _page_of(
    request: HttpRequest,
    endpoint: WebhookEndpoint,
    form: EndpointForm | None,
    *,
    secret: str = "",
    replay_form: ReplayForm | None = None,
    status: int = 200,
) -> HttpResponse:
    log_form = LogForm(request.GET)
    log = endpoint.deliveries.select_related("event")
    if log_form.is_valid() and (state := log_form.cleaned_data["state"]):
        log = log.filter(state=state)
    page = Paginator(log, PER_PAGE).get_page(request.GET.get("page"))
    shown = {name: getattr(endpoint, name) for name in endpoints.CHANGEABLE}
    return render(
        request,
        "tenant/activity/webhook.html",
        {
            "endpoint": endpoint,
            "form": form or EndpointForm(initial=shown),
            "log_form": log_form,
            "replay_form": replay_form or ReplayForm(),
            "page": page,
            "secret": secret,
            "section": "profile",
        },
        status=status,
    )


def _person(request: HttpRequest) -> AbstractBaseUser:
    return cast("AbstractBaseUser", request.user)


def _endpoint(pk: UUID) -> WebhookEndpoint:
    return get_object_or_404(
        WebhookEndpoint.objects.select_related("created_by", "switched_off_by"), pk=pk
    )


def _delivery(pk: UUID) -> WebhookDelivery:
    return get_object_or_404(
        WebhookDelivery.objects.select_related("event", "endpoint", "replayed_by"), pk=pk
    )
