"""The pages of the front door: find, do, answer."""

from http import HTTPStatus

from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from shared_apps.domains import names, throttling
from shared_apps.domains.addresses import tenant_url
from shared_apps.domains.names import SubdomainRefused
from shared_apps.domains.status_pages import render_error
from shared_apps.front_door import hand_offs, limits, progress_stream, signing_up
from shared_apps.front_door.errors import CodeExpired, FrontDoorError
from shared_apps.front_door.forms import CodeForm, EmailForm, WorkspaceForm
from shared_apps.front_door.models import SignUp
from shared_apps.front_door.selectors import (
    PENDING_KEY,
    VERIFIED_KEY,
    pending_sign_up,
    progress_of,
    verified_sign_up,
)
from shared_apps.front_door.tasks import mail_workspaces
from shared_apps.tenants import visitors
from shared_apps.tenants.provisioning import Progress

# Asked for anew each time, but kept for the back button: with no-store, Chromium shows an error in
# place of a form that was refused. No page has a password or a code in it.
always_fresh = cache_control(private=True, no_cache=True, max_age=0)


@require_GET
def landing(request: HttpRequest) -> HttpResponse:
    """What Terrace is."""
    return render(request, "public/landing.html")


# --- Step 1: an e-mail address, proven -----------------------------------------------------------


@always_fresh
@require_http_methods(["GET", "HEAD", "POST"])
@throttling.throttled
def sign_up(request: HttpRequest) -> HttpResponse:
    """Ask for the e-mail address, and mail a code to it."""
    form = EmailForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "public/sign_up/email.html", {"form": form})
    email = form.cleaned_data["email"]
    throttling.count(limits.CODES_PER_VISITOR, visitors.network_of(request))
    throttling.count(limits.CODES_PER_ADDRESS, email)
    begun = signing_up.begin_sign_up(email=email, current=pending_sign_up(request))
    request.session[PENDING_KEY] = str(begun.pk)
    return redirect("front_door:code")


@always_fresh
@require_http_methods(["GET", "HEAD", "POST"])
@throttling.throttled
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the six digits of the mail."""
    pending = pending_sign_up(request)
    if pending is None:
        return redirect("front_door:sign_up")
    if pending.verified_at and (verified := verified_sign_up(request)):
        return redirect(_next_page(verified))
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        throttling.count(limits.TRIES_PER_VISITOR, visitors.network_of(request))
        try:
            verified = signing_up.verify_code(sign_up=pending, code=form.cleaned_data["code"])
        except FrontDoorError as refused:
            form.add_error("code", str(refused))
        else:
            return _prove(request, verified)
    return render(request, "public/sign_up/code.html", {"form": form, "sign_up": pending})


@always_fresh
@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: the same proof as the digits, in whichever browser it is opened.

    Looking at it proves nothing, since mail scanners do that; its button does.
    """
    find = signing_up.verify_link if request.method == "POST" else signing_up.find_link
    try:
        found = find(token)
    except FrontDoorError as refused:
        status = HTTPStatus.GONE if isinstance(refused, CodeExpired) else HTTPStatus.NOT_FOUND
        return render(
            request, "public/sign_up/link_refused.html", {"sentence": str(refused)}, status=status
        )
    if request.method == "POST":
        return _prove(request, found)
    if verified_sign_up(request) == found:
        return redirect(_next_page(found))
    return render(request, "public/sign_up/link.html", {"sign_up": found})


# --- Step 2: the workspace -----------------------------------------------------------------------


@always_fresh
@sensitive_post_parameters("password")
@transaction.non_atomic_requests
@require_http_methods(["GET", "HEAD", "POST"])
@throttling.throttled
def workspace(request: HttpRequest) -> HttpResponse:
    """Ask for the workspace, and make it."""
    mine = verified_sign_up(request)
    if mine is None:
        return redirect("front_door:sign_up")
    progress = progress_of(mine)
    if progress is not None and not _has_failed(progress):
        return redirect(_page_of(progress))
    if progress is not None:
        signing_up.ask_again(mine)
    form = WorkspaceForm(request.POST or None, email=mine.email, initial=_words_of(mine))
    if request.method == "POST" and form.is_valid():
        throttling.count(limits.WORKSPACES_PER_VISITOR, visitors.network_of(request))
        try:
            progress = signing_up.claim_workspace(sign_up=mine, wish=form.wish())
        except SubdomainRefused as refused:
            form.add_error("subdomain", str(refused))
        else:
            return _enter(mine, progress) if progress.tenant else redirect("front_door:progress")
    return render(request, "public/sign_up/workspace.html", {"form": form, "sign_up": mine})


@always_fresh
@require_GET
@throttling.throttled
def address(request: HttpRequest) -> HttpResponse:
    """While typing: the address field with a suggestion for a name, or the word on an address."""
    throttling.count(limits.CHECKS_PER_VISITOR, visitors.network_of(request))
    if "subdomain" in request.GET:
        return _word_on(request, request.GET["subdomain"])
    name = request.GET.get("name", "").strip()
    suggestion = names.suggest_subdomain(name) if name else ""
    form = WorkspaceForm(email="", initial={"subdomain": suggestion})
    facts = {
        "field": form["subdomain"],
        "free": names.hostname_of(suggestion) if suggestion else "",
    }
    return render(request, "public/sign_up/address_field.html", facts)


def _word_on(request: HttpRequest, typed: str) -> HttpResponse:
    facts: dict[str, str] = {}
    if typed.strip():
        try:
            facts["free"] = names.hostname_of(names.check_subdomain(typed))
        except SubdomainRefused as refused:
            facts["refused"] = str(refused)
    return render(request, "public/sign_up/address_word.html", facts)


# --- The workspace is being made -----------------------------------------------------------------


@always_fresh
@require_GET
def progress(request: HttpRequest) -> HttpResponse:
    """How far the workspace is. Follows by itself, with or without JavaScript."""
    mine = verified_sign_up(request)
    if mine is None:
        return redirect("front_door:sign_up")
    progress = progress_of(mine)
    if progress is None:
        return redirect("front_door:workspace")
    if progress.tenant:
        return redirect("front_door:enter")
    return render(request, "public/sign_up/progress.html", {"progress": progress})


@always_fresh
@require_GET
def progress_state(request: HttpRequest) -> HttpResponse:
    """The same, for polling."""
    mine = verified_sign_up(request)
    progress = progress_of(mine) if mine else None
    if progress is None:
        return render_error(request, 404)
    return JsonResponse(progress_stream.state_of(progress))


@always_fresh
@transaction.non_atomic_requests
@require_GET
def progress_events(request: HttpRequest) -> HttpResponseBase:
    """The same, as server-sent events."""
    mine = verified_sign_up(request)
    if mine is None:
        return render_error(request, 404)
    events = (
        progress_stream.follow_async(mine)
        if isinstance(request, ASGIRequest)
        else progress_stream.follow(mine)
    )
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    # Proxies would keep the events until the stream ends.
    response["X-Accel-Buffering"] = "no"
    return response


@always_fresh
@require_GET
def enter(request: HttpRequest) -> HttpResponse:
    """Into the workspace, through a hand-off; later to its log-in."""
    mine = verified_sign_up(request)
    progress = progress_of(mine) if mine else None
    if mine is None or progress is None:
        return redirect("front_door:sign_up")
    return _enter(mine, progress)


# --- Find my workspace ---------------------------------------------------------------------------


@always_fresh
@require_http_methods(["GET", "HEAD", "POST"])
@throttling.throttled
def find_workspace(request: HttpRequest) -> HttpResponse:
    """Mail somebody the list of their workspaces. The answer is the same whatever is found."""
    form = EmailForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "public/find_workspace.html", {"form": form})
    email = form.cleaned_data["email"]
    throttling.count(limits.FINDS_PER_VISITOR, visitors.network_of(request))
    throttling.count(limits.FINDS_PER_ADDRESS, email)
    mail_workspaces.delay_on_commit(email)
    return redirect("front_door:find_workspace_sent")


@require_GET
def find_workspace_sent(request: HttpRequest) -> HttpResponse:
    """Where to look now."""
    return render(request, "public/find_workspace_sent.html")


# --- Parts ---------------------------------------------------------------------------------------


def _prove(request: HttpRequest, verified: SignUp) -> HttpResponse:
    request.session.cycle_key()
    request.session[PENDING_KEY] = str(verified.pk)
    request.session[VERIFIED_KEY] = str(verified.pk)
    return redirect(_next_page(verified))


def _next_page(verified: SignUp) -> str:
    progress = progress_of(verified)
    return _page_of(progress) if progress else "front_door:workspace"


def _page_of(progress: Progress) -> str:
    return "front_door:enter" if progress.tenant else "front_door:progress"


def _has_failed(progress: Progress) -> bool:
    return progress.is_finished() and progress.tenant is None


def _words_of(mine: SignUp) -> dict[str, str]:
    return {
        "name": mine.workspace_name,
        "subdomain": mine.subdomain,
        "full_name": mine.full_name,
    }


def _enter(mine: SignUp, progress: Progress) -> HttpResponse:
    if progress.tenant is None:
        return redirect("front_door:progress")
    if not mine.may_enter(timezone.now()):
        return redirect(tenant_url(progress.tenant.hostname, "/"))
    signing_up.note_entry(mine)
    return redirect(hand_offs.welcome_url(tenant=progress.tenant, email=mine.email))
