"""The dashboard, the first steps, and the report that is mailed each morning."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenant_apps.users.models import User
from tenant_apps.workspace import daily_report, first_steps
from tenant_apps.workspace.dashboard import SPANS, USUAL_SPAN, show_dashboard


@never_cache
@login_required
@require_GET
def dashboard(request: HttpRequest) -> HttpResponse:
    """Figures of the last days (`?days=1|7|30|90`), what waits, and the first steps."""
    user = cast("User", request.user)
    asked = request.GET.get("days", "")
    span = next((one for one in SPANS if asked == str(one)), USUAL_SPAN)
    return render(
        request,
        "tenant/workspace/dashboard.html",
        {
            "section": "dashboard",
            "shown": show_dashboard(person=user, span=span),
            "spans": SPANS,
            "steps": first_steps.first_steps(user),
            "can_have_report": daily_report.can_have_report(user),
            "wants_report": daily_report.wants_report(user),
        },
    )


@login_required
@require_POST
def close_steps(request: HttpRequest) -> HttpResponse:
    first_steps.close_steps(person=cast("User", request.user))
    # Back to where the button was: one of the two pages that show them.
    from_admin = request.POST.get("next") == reverse("admin:index")
    return redirect("admin:index" if from_admin else "workspace:dashboard")


@login_required
@require_POST
def choose_report(request: HttpRequest) -> HttpResponse:
    wants = request.POST.get("wants") == "yes"
    daily_report.choose_report(person=cast("User", request.user), wants=wants)
    messages.success(
        request,
        "You get yesterday's figures each morning at seven, from tomorrow on."
        if wants
        else "The daily report does not come any more.",
    )
    return redirect("workspace:dashboard")


# A mail program has neither a session nor a form: the token is what lets it in (RFC 8058 section 3.1).
@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def leave_report(request: HttpRequest, token: str) -> HttpResponse:
    """Leave: at once by POST, as mail programs do; a person who follows the link is asked first."""
    step, sentence, status = "leave", "", 200
    try:
        if request.method == "POST":
            daily_report.leave(token=token)
            step = "left"
        else:
            daily_report.person_of(token=token)
    except daily_report.ReportLinkInvalid as error:
        step, sentence, status = "invalid", str(error), 404
    facts = {"step": step, "sentence": sentence}
    return render(request, "tenant/workspace/leave_report.html", facts, status=status)
