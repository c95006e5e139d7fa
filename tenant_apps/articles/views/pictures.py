"""Pictures: an article's cover, and those that its text shows."""

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from tenant_apps.articles import permissions, pictures
from tenant_apps.articles.errors import PictureRefused
from tenant_apps.articles.forms import ArticleForm, PictureForm
from tenant_apps.articles.models import Picture
from tenant_apps.articles.views.desk import edit_page
from tenant_apps.users.models import User


@login_required
@require_POST
def set_cover(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Give an article a cover; what is wrong with the file is said beside it."""
    user = cast("User", request.user)
    found = get_object_or_404(permissions.changeable_by(user).for_page(), pk=pk)
    form = PictureForm(request.POST, request.FILES, auto_id="id_cover_%s")
    picture = _added(form, user)
    if picture is None:
        instance = get_object_or_404(permissions.changeable_by(user), pk=pk)
        return edit_page(
            request, found, ArticleForm(instance=instance), user, cover_form=form, status=400
        )
    pictures.set_cover(article=found, picture=picture, by=user)
    messages.success(request, "The cover is being made. It is there in a moment.")
    return redirect("articles:edit", pk=pk)


@login_required
@require_POST
def remove_cover(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = cast("User", request.user)
    found = get_object_or_404(permissions.changeable_by(user), pk=pk)
    pictures.set_cover(article=found, picture=None, by=user)
    messages.success(request, "The article has no cover any more.")
    return redirect("articles:edit", pk=pk)


@never_cache
@login_required
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Let in a picture for a text. The editor asks `show` until it is there."""
    user = cast("User", request.user)
    permissions.require_write(user)
    form = PictureForm(request.POST, request.FILES)
    picture = _added(form, user)
    if picture is None:
        sentences = [str(error) for errors in form.errors.values() for error in errors]
        return JsonResponse({"refused": " ".join(sentences)}, status=400)
    return JsonResponse({"id": str(picture.pk)}, status=201)


@never_cache
@login_required
@require_GET
def show(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Where a picture is on its way, and how a text shows it."""
    permissions.require_write(request.user)
    picture = get_object_or_404(Picture, pk=pk)
    return JsonResponse(
        {
            "state": picture.state,
            "failure": picture.failure,
            "markdown": picture.markdown if picture.is_ready else "",
        }
    )


def _added(form: PictureForm, user: User) -> Picture | None:
    """The picture that the form holds; None where the form says what is wrong with it."""
    if not form.is_valid():
        return None
    file = form.cleaned_data["file"]
    try:
        return pictures.add_picture(
            file=file, file_name=file.name, alt=form.cleaned_data["alt"], by=user
        )
    except PictureRefused as error:
        form.add_error("file", str(error))
        return None
