"""Moving in: the pages on which a file of another system is sent, looked through and taken over."""

from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenant_apps.articles import permissions
from tenant_apps.articles.errors import MoveNotReady, SiteInvalid
from tenant_apps.articles.forms import MoveForm
from tenant_apps.articles.models import Move, MoveState
from tenant_apps.articles.moving_in import moves, writers
from tenant_apps.articles.moving_in.records import FileInvalid
from tenant_apps.csv_cells import write_row
from tenant_apps.users.models import User

MOVES_PER_PAGE = 10
LEFT_OUT_PER_PAGE = 50


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def move_in(request: HttpRequest) -> HttpResponse:
    """Choose a file; those before it."""
    user = cast("User", request.user)
    permissions.require_move_in(user)
    form = MoveForm(request.POST, request.FILES) if request.method == "POST" else MoveForm()
    if request.method == "POST" and form.is_valid():
        sent: UploadedFile[Any] = form.cleaned_data["file"]
        try:
            found = moves.begin_move(
                file=cast("Any", sent),
                file_name=sent.name or "export",
                size=sent.size or 0,
                with_pictures=form.cleaned_data["with_pictures"],
                site_address=form.cleaned_data["site_address"],
                by=user,
            )
        except FileInvalid as error:
            form.add_error("file", str(error))
        except SiteInvalid as error:
            form.add_error("site_address", str(error))
        else:
            return redirect(found)
    earlier = Paginator(Move.objects.select_related("created_by"), MOVES_PER_PAGE)
    return render(
        request,
        "tenant/articles/move_in.html",
        {"section": "desk", "form": form, "page": earlier.get_page(request.GET.get("page"))},
        status=422 if form.errors else 200,
    )


@never_cache
@login_required
@require_GET
def move(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How a move stands. htmx asks for its inner part alone, again and again while it works."""
    permissions.require_move_in(request.user)
    found = get_object_or_404(Move.objects.select_related("created_by__role"), pk=pk)
    left_out = Paginator(found.left_out.all(), LEFT_OUT_PER_PAGE)
    # Whoever takes it over answers for it; until then, that is whoever looks.
    answers = cast("User", request.user) if found.state == MoveState.CHECKED else found.created_by
    inner = bool(request.headers.get("HX-Request"))
    return render(
        request,
        "tenant/articles/includes/move_status.html" if inner else "tenant/articles/move.html",
        {
            "section": "desk",
            "move": found,
            "lets_in": answers is not None and writers.can_let_in(answers),
            "percent": moves.progress_percent(found),
            "page": left_out.get_page(request.GET.get("page")),
            "left_out_count": found.report.get("left_out", 0),
        },
    )


@login_required
@require_POST
def take(request: HttpRequest, pk: UUID) -> HttpResponse:
    permissions.require_move_in(request.user)
    found = get_object_or_404(Move, pk=pk)
    try:
        moves.request_take(move=found, by=cast("User", request.user))
    except MoveNotReady as error:
        messages.error(request, str(error))
    return redirect(found)


@login_required
@require_GET
def left_out(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """All that was left out, as a file."""
    permissions.require_move_in(request.user)
    found = get_object_or_404(Move, pk=pk)
    return StreamingHttpResponse(
        (line.encode() for line in _left_out_as_csv(found)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="left-out.csv"'},
    )


def _left_out_as_csv(found: Move) -> Iterator[str]:
    yield "\ufeff" + write_row(["what", "title", "why"])
    last = 0
    while rows := list(found.left_out.filter(pk__gt=last)[:1_000]):
        for row in rows:
            yield write_row([row.what, row.title, row.why])
        last = rows[-1].pk
