from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AbstractBaseUser
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenant_apps.activity import notifications
from tenant_apps.activity.forms import ChoicesForm
from tenant_apps.activity.models import Notification
from tenant_apps.activity.notification_kinds import kinds_for

PER_PAGE = 20


@never_cache
@login_required
@require_GET
def list_notifications(request: HttpRequest) -> HttpResponse:
    """What one was told, the newest first."""
    mine = Notification.objects.shown_to(_person(request))
    page = Paginator(mine, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request, "tenant/activity/notifications.html", {"page": page, "section": "profile"}
    )


@never_cache
@login_required
@require_GET
def show_bell(request: HttpRequest) -> HttpResponse:
    """The bell alone, for pages that ask again."""
    return render(request, "tenant/includes/bell.html")


@never_cache
@login_required
@require_GET
def open_one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Where it happened; the notification counts as read."""
    found = _mine(request, pk)
    notifications.mark_read(notification=found)
    return redirect(found.path)


@login_required
@require_POST
def read_one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Mark one as read."""
    notifications.mark_read(notification=_mine(request, pk))
    return redirect("activity:notifications")


@login_required
@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark all as read."""
    notifications.mark_all_read(person=_person(request))
    return redirect("activity:notifications")


@never_cache
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """What one is told of, and how."""
    person = _person(request)
    kinds = kinds_for(person)
    kept = notifications.choices_of(person)
    shown = {kind.name: kept.channels.get(kind.name, kind.channel) for kind in kinds}
    form = ChoicesForm(
        request.POST if request.method == "POST" else None,
        kinds=kinds,
        initial={**shown, "daily": "1" if kept.daily else "0"},
    )
    if request.method == "POST" and form.is_valid():
        notifications.choose(
            person=person, channels=form.channels(), daily=form.cleaned_data["daily"]
        )
        messages.success(request, "Saved.")
        return redirect("activity:notification-choices")
    return render(
        request,
        "tenant/activity/notification_choices.html",
        {"form": form, "section": "profile"},
        status=400 if form.errors else 200,
    )


# A mail program has neither a session nor a form: the token is what lets it in (RFC 8058 section 3.1).
@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def leave_mails(request: HttpRequest, token: str) -> HttpResponse:
    """No more mails: at once by POST, as mail programs do; a person who follows the link is asked."""
    try:
        key = notifications.find_leaver(token)
    except notifications.LinkInvalid as error:
        return _leaving(request, "invalid", sentence=str(error), status=404)
    person = get_user_model()._default_manager.filter(pk=key).first()
    if request.method == "POST":
        # Whoever is not here any more gets none as it is.
        if person is not None:
            notifications.stop_mails(person=person)
        return _leaving(request, "left")
    return _leaving(request, "leave")


def _leaving(
    request: HttpRequest, step: str, *, sentence: str = "", status: int = 200
) -> HttpResponse:
    return render(
        request,
        "tenant/activity/leave_mails.html",
        {"step": step, "sentence": sentence},
        status=status,
    )


def _person(request: HttpRequest) -> AbstractBaseUser:
    return cast("AbstractBaseUser", request.user)


def _mine(request: HttpRequest, pk: UUID) -> Notification:
    return get_object_or_404(Notification.objects.shown_to(_person(request)), pk=pk)
