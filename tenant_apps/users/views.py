from datetime import timedelta
from typing import cast
from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from shared_apps.tenants.context import require_tenant
from shared_apps.tenants.errors import HandOffExpired, HandOffInvalid, HandOffUsed
from shared_apps.tenants.handoff import consume_hand_off
from tenant_apps.images import ImageRefused
from tenant_apps.users import api_tokens, invitations, membership, profiles, sign_ins
from tenant_apps.users.errors import EmailTaken, InvitationError, LastOwner, MembershipError
from tenant_apps.users.forms import AcceptInvitationForm, AvatarForm, ProfileForm, TokenForm
from tenant_apps.users.models import ApiToken, User

BACKEND = "tenant_apps.users.backends.EmailBackend"
PER_PAGE = 20

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
    """What one says of oneself, and the way to password, addresses, devices, tokens and out."""
    person = cast("User", request.user)
    # A row of its own: a form writes what was typed into its object, right or wrong.
    form = ProfileForm(
        request.POST if request.method == "POST" else None,
        instance=User.objects.get(pk=person.pk),
    )
    if request.method == "POST" and form.is_valid():
        profiles.change_profile(
            person=person,
            changes={name: form.cleaned_data[name] for name in form.changed_data},
            by=person,
        )
        messages.success(request, "Saved.")
        return redirect("users:profile")
    return render(
        request,
        "tenant/users/profile.html",
        {"form": form, "avatar_form": AvatarForm(), "section": "profile"},
    )


@login_required
@require_POST
def avatar(request: HttpRequest) -> HttpResponse:
    """Show another picture, or none."""
    person = cast("User", request.user)
    if "remove" in request.POST:
        profiles.remove_avatar(person=person, by=person)
        messages.success(request, "Your picture is gone.")
        return redirect("users:profile")
    form = AvatarForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            profiles.set_avatar(person=person, sent=form.cleaned_data["picture"], by=person)
        except ImageRefused as error:
            form.add_error("picture", str(error))
        else:
            messages.success(request, "This is your picture now.")
            return redirect("users:profile")
    return render(
        request,
        "tenant/users/profile.html",
        {"form": ProfileForm(instance=person), "avatar_form": form, "section": "profile"},
        status=400,
    )


@never_cache
@login_required
@require_GET
def list_sign_ins(request: HttpRequest) -> HttpResponse:
    """Where one is logged in."""
    found = Paginator(sign_ins.open_sign_ins(cast("User", request.user)), PER_PAGE)
    page = found.get_page(request.GET.get("page"))
    rows = [(one, sign_ins.is_this_one(one, request)) for one in page.object_list]
    return render(
        request,
        "tenant/users/sign_ins.html",
        {"rows": rows, "page": page, "section": "profile"},
    )


@login_required
@require_POST
def end_sign_in(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Log one device out."""
    person = cast("User", request.user)
    found = get_object_or_404(sign_ins.open_sign_ins(person), pk=pk)
    if sign_ins.is_this_one(found, request):
        return redirect("account_logout")
    sign_ins.end_sign_in(sign_in=found, by=person)
    messages.success(request, f"{found.device} is logged out.")
    return redirect("users:sign-ins")


@login_required
@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponse:
    """Log all devices out but this one."""
    person = cast("User", request.user)
    sign_ins.sign_out_everywhere(person=person, by=person, staying=request)
    messages.success(request, "You are logged in here, and nowhere else.")
    return redirect("users:sign-ins")


@never_cache
@login_required
@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]  # allauth has no types
def tokens(request: HttpRequest) -> HttpResponse:
    """One's API tokens, and a new one, which this answer alone shows."""
    person = cast("User", request.user)
    form = TokenForm(request.POST if request.method == "POST" else None)
    shown, status = "", 200
    if request.method == "POST" and form.is_valid():
        try:
            _, shown = api_tokens.issue_token(
                person=person,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                lifetime=timedelta(days=form.cleaned_data["days"]),
            )
        except MembershipError as error:
            form.add_error(None, str(error))
            status = 409
        else:
            form = TokenForm()
    page = Paginator(ApiToken.objects.filter(person=person), PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(
        request,
        "tenant/users/tokens.html",
        {"form": form, "page": page, "shown": shown, "section": "profile"},
        status=status,
    )


@login_required
@require_POST
def revoke_token(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take a token back."""
    person = cast("User", request.user)
    found = get_object_or_404(ApiToken, pk=pk, person=person)
    api_tokens.revoke_token(token=found, by=person)
    messages.success(request, f"{found.name} opens nothing any more.")
    return redirect("users:tokens")


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
