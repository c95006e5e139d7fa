from typing import cast

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from shared_apps.tenants.context import require_tenant
from shared_apps.tenants.errors import HandOffExpired, HandOffInvalid, HandOffUsed
from shared_apps.tenants.handoff import consume_hand_off
from tenant_apps.users import invitations, membership
from tenant_apps.users.errors import EmailTaken, InvitationError, LastOwner
from tenant_apps.users.forms import AcceptInvitationForm, ProfileForm
from tenant_apps.users.models import User

BACKEND = "tenant_apps.users.backends.EmailBackend"

_HAND_OFF_SENTENCES = {
    HandOffUsed: "This link was used already. "
    "Log in with your e-mail address, or ask for a new password.",
    HandOffExpired: "This link has expired. "
    "Log in with your e-mail address, or ask for a new password.",
    HandOffInvalid: "This link does not belong to this workspace. Log in with your e-mail address.",
}


@never_cache
def welcome(request: HttpRequest) -> HttpResponse:
    """The first page of a new owner: the public site hands them over with a `?token=` that works
    once."""
    try:
        user_id = consume_hand_off(request.GET.get("token", ""), require_tenant())
    except (HandOffUsed, HandOffExpired, HandOffInvalid) as error:
        return _closed_door(
            request, "This link does not open the door", _HAND_OFF_SENTENCES[type(error)]
        )
    person = User.objects.active().select_related("role").filter(pk=user_id).first()
    if person is None:
        return _closed_door(
            request,
            "This link does not open the door",
            "The person that this link belongs to is no longer in this workspace. Ask an owner or "
            "admin to let you in again.",
        )
    login(request, person, backend=BACKEND)
    messages.success(request, f"Welcome, {person.get_short_name()}. This is your workspace.")
    return redirect("workspace:home")


@never_cache
@sensitive_post_parameters("password")
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link of an invitation leads."""
    try:
        invitation = invitations.find_invitation(token=token)
    except InvitationError as error:
        return _closed_door(request, "This invitation cannot be used", str(error))
    form = AcceptInvitationForm(
        request.POST if request.method == "POST" else None, email=invitation.email
    )
    if request.method == "POST" and form.is_valid():
        try:
            person = invitations.accept_invitation(token=token, **form.cleaned_data)
        except (InvitationError, EmailTaken) as error:
            return _closed_door(request, "This invitation cannot be used", str(error))
        login(request, person, backend=BACKEND)
        messages.success(request, f"Welcome, {person.get_short_name()}.")
        return redirect("workspace:home")
    return render(request, "tenant/users/invitation.html", {"invitation": invitation, "form": form})


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """One's own name, and the way to password, addresses and out."""
    person = cast("User", request.user)
    form = ProfileForm(
        request.POST if request.method == "POST" else None, initial={"full_name": person.full_name}
    )
    if request.method == "POST" and form.is_valid():
        membership.rename_person(person=person, full_name=form.cleaned_data["full_name"], by=person)
        messages.success(request, "Saved.")
        return redirect("users:profile")
    return render(request, "tenant/users/profile.html", {"form": form, "section": "profile"})


@login_required
def leave(request: HttpRequest) -> HttpResponse:
    """Leave the workspace, after a question."""
    if request.method == "POST":
        try:
            membership.leave(person=cast("User", request.user))
        except LastOwner as error:
            messages.error(request, str(error))
            return redirect("users:profile")
        messages.success(request, "You have left this workspace.")
        return redirect("workspace:home")
    return render(request, "tenant/users/leave.html", {"section": "profile"})


def _closed_door(request: HttpRequest, title: str, sentence: str) -> HttpResponse:
    return render(
        request, "tenant/users/closed_door.html", {"title": title, "sentence": sentence}, status=410
    )
