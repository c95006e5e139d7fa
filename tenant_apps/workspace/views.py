from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from shared_apps.tenants.context import require_tenant
from shared_apps.tenants.previews import find_preview, link_to_preview
from tenant_apps.articles.moving_in.addresses import PLAIN_ADDRESSES, find_target
from tenant_apps.articles.permissions import can_write
from tenant_apps.products.permissions import can_import
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.workspace import takeout
from tenant_apps.workspace.home_page import sections_for
from tenant_apps.workspace.models import TakeOut
from tenant_apps.workspace.showing import shown_look

TAKE_OUTS_SHOWN = 10


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not PLAIN_ADDRESSES.isdisjoint(request.GET):
        target = find_target(request.get_full_path())
        if target is not None:
            return redirect(target, permanent=True)
    look = shown_look(request)
    sections = sections_for(look, person=request.user)
    return render(
        request,
        "tenant/workspace/home.html",
        {
            "section": "home",
            "look": look,
            "sections": sections,
            "has_content": any(one.kind != "hero" for one in sections),
            "can_write": can_write(request.user),
            "can_import": can_import(request.user),
        },
    )


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def take_out(request: HttpRequest) -> HttpResponse:
    """Start a take-out, and see how those before it stand. htmx asks for the inner part alone."""
    user = _who_may(request)
    if request.method == "POST":
        try:
            takeout.start_takeout(by=user)
        except takeout.TakeOutUnderWay as error:
            messages.error(request, str(error))
        return redirect("workspace:take-out")
    found = list(TakeOut.objects.select_related("requested_by")[:TAKE_OUTS_SHOWN])
    inner = bool(request.headers.get("HX-Request"))
    return render(
        request,
        "tenant/workspace/includes/take_outs.html" if inner else "tenant/workspace/take_out.html",
        {
            "take_outs": [(one, takeout.download_token(one)) for one in found],
            "is_working": any(one.is_working for one in found),
            "preview": find_preview(require_tenant()) if user.is_owner else None,
        },
    )


@never_cache
@login_required
@require_GET
def download_take_out(request: HttpRequest, token: str) -> HttpResponseBase:
    try:
        found, file = takeout.open_take_out(token=token, by=_who_may(request))
    except takeout.TakeOutNotFound as error:
        raise Http404(str(error)) from error
    name = f"{require_tenant().subdomain}-{found.requested_at:%Y-%m-%d}.zip"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


@never_cache
@login_required
@require_POST
def open_preview(request: HttpRequest) -> HttpResponse:
    """To the backup that is open beside this workspace, signed in there. For its owners alone."""
    user = cast("User", request.user)
    if not user.is_owner:
        raise NotAllowed("Only an owner can look at a backup.")
    link = link_to_preview(require_tenant(), user.pk)
    if link is None:
        messages.error(request, "No backup is open any more. Ask us to open one.")
        return redirect("workspace:take-out")
    return redirect(link)


def _who_may(request: HttpRequest) -> User:
    user = cast("User", request.user)
    if not user.has_perm(takeout.PERMISSION):
        raise NotAllowed("Your role does not let you take the workspace's data out. Ask an owner.")
    return user
