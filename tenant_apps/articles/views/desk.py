"""A writer's desk: what they may change, and the page where they change it."""

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from tenant_apps.articles import permissions, publishing, revising, selectors, writing
from tenant_apps.articles.errors import ArticleError, EditConflict, SlugTaken
from tenant_apps.articles.forms import (
    MAX_BODY_CHARACTERS,
    ArticleForm,
    KeptWordsForm,
    PictureForm,
    ScheduleForm,
)
from tenant_apps.articles.models import Article, KeptWords, State
from tenant_apps.articles.rendering import render_markdown
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User

DESK_PER_PAGE = 30


@login_required
@require_GET
def desk(request: HttpRequest) -> HttpResponse:
    """A writer's own desk: the articles they may change, by state."""
    articles = permissions.changeable_by(request.user)
    state = request.GET.get("state", "")
    counts = selectors.count_by_state(articles)
    if state in State.values:
        articles = articles.filter(state=state)
    page = Paginator(articles.for_list().order_by("-updated_at", "-id"), DESK_PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(
        request,
        "tenant/articles/desk.html",
        {
            "section": "desk",
            "page": page,
            "state": state,
            "tabs": [(value, label, counts.get(value, 0)) for value, label in State.choices],
            "total": sum(counts.values()),
            "can_write": permissions.can_write(request.user),
            "can_moderate": permissions.can_moderate(request.user),
            "can_move_in": permissions.can_move_in(request.user),
        },
    )


@login_required
def write(request: HttpRequest) -> HttpResponse:
    """Begin an article."""
    user = cast("User", request.user)
    permissions.require_write(user)
    if request.method == "POST":
        kept, form = None, ArticleForm(request.POST)
        if form.is_valid():
            begun = writing.create_article(by=user, tags=form.tag_names(), **form.changes())
            revising.drop_words(article=None, by=user)
            return _carry_out(request, begun, user)
    else:
        kept = revising.kept_words(article=None, by=user)
        form = ArticleForm(initial=_typed(kept))
    return render(
        request,
        "tenant/articles/edit.html",
        {
            "section": "desk",
            "form": form,
            "kept": kept,
            "preview": render_markdown(form["body"].value() or ""),
            "can_publish": permissions.can_publish_own(user),
        },
    )


@login_required
def edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change an article."""
    user = cast("User", request.user)
    # Two objects: the form writes what was typed into its own.
    found = get_object_or_404(permissions.changeable_by(user).for_page(), pk=pk)
    instance = get_object_or_404(permissions.changeable_by(user), pk=pk)
    if request.method == "POST":
        kept, form = None, ArticleForm(request.POST, instance=instance)
        if form.is_valid():
            answer = _save(request, found, form, user)
            if answer is not None:
                return answer
    else:
        kept = revising.kept_words(article=found, by=user)
        if kept is not None and kept.is_of(found):
            kept = None
        form = ArticleForm(instance=instance, initial=_typed(kept))
    return edit_page(request, found, form, user, kept=kept)


def edit_page(
    request: HttpRequest,
    found: Article,
    form: ArticleForm,
    user: User,
    *,
    kept: KeptWords | None = None,
    schedule_form: ScheduleForm | None = None,
    cover_form: PictureForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page where an article is changed, with what was wrong in one of its forms."""
    return render(
        request,
        "tenant/articles/edit.html",
        {
            "section": "desk",
            "form": form,
            "article": found,
            "kept": kept,
            "preview": render_markdown(form["body"].value() or ""),
            "can_publish": permissions.can_publish(user, found),
            "can_delete": permissions.can_delete(user, found),
            "schedule_form": schedule_form or ScheduleForm(),
            "cover_form": cover_form or PictureForm(auto_id="id_cover_%s"),
        },
        status=status,
    )


def _typed(kept: KeptWords | None) -> dict[str, Any]:
    """A writer's unsaved words for the form; it shows the saved ones where there are none."""
    if kept is None:
        return {}
    return {
        "title": kept.title,
        "body": kept.body,
        "excerpt": kept.excerpt,
        "tags": kept.tags,
        "version": kept.base_version,
    }


def _save(
    request: HttpRequest, found: Article, form: ArticleForm, user: User
) -> HttpResponse | None:
    """Save what the form holds and answer; None where the form has to be shown again."""
    try:
        writing.change_article(
            article=found,
            by=user,
            changes=form.changes(),
            tags=form.tag_names(),
            version=form.cleaned_data["version"],
        )
    except EditConflict as error:
        typed = KeptWordsForm(request.POST)
        if not typed.is_valid():
            form.add_error(None, str(error))
            return None
        revising.keep_words(article=found, by=user, **typed.words())
        return redirect("articles:merge", pk=found.pk)
    except SlugTaken as error:
        form.add_error("slug", str(error))
        return None
    except ArticleError as error:
        form.add_error(None, str(error))
        return None
    revising.drop_words(article=found, by=user)
    return _carry_out(request, found, user)


def _carry_out(request: HttpRequest, article: Article, user: User) -> HttpResponse:
    """After saving: what the button that was pressed asked for."""
    intent = request.POST.get("intent", "save")
    if intent not in _STEPS:
        messages.success(request, "Saved.")
        return redirect("articles:edit", pk=article.pk)
    try:
        return _take_step(request, article, user, intent)
    except NotAllowed as error:
        # The text is kept: a refusal of the step alone must not take it back.
        messages.warning(request, f"Saved, and no more than that. {error}")
        return redirect("articles:edit", pk=article.pk)


def _take_step(request: HttpRequest, article: Article, user: User, name: str) -> HttpResponse:
    verb, sentence = _STEPS[name]
    try:
        verb(article=article, by=user)
    except ArticleError as error:
        messages.error(request, str(error))
        return redirect("articles:edit", pk=article.pk)
    messages.success(request, sentence)
    if name == "publish":
        return redirect(article)
    return redirect("articles:edit", pk=article.pk)


_STEPS = {
    "submit": (publishing.submit_article, "Sent to the editors for review."),
    "publish": (publishing.publish_article, "Published. Everybody can read it now."),
    "unpublish": (publishing.unpublish_article, "Back to draft. Visitors no longer see it."),
    "archive": (publishing.archive_article, "Archived. Visitors no longer see it."),
}


@login_required
@require_POST
def step(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Submit, publish, unpublish or archive, without changing the text."""
    user = cast("User", request.user)
    found = get_object_or_404(permissions.changeable_by(user), pk=pk)
    return _take_step(request, found, user, name)


@login_required
@require_POST
def schedule(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Have it published later; what is wrong with the time is said beside it."""
    user = cast("User", request.user)
    found = get_object_or_404(permissions.changeable_by(user).for_page(), pk=pk)
    form = ScheduleForm(request.POST)
    if form.is_valid():
        try:
            publishing.schedule_article(article=found, at=form.moment, by=user)
        except ArticleError as error:
            form.add_error("at", str(error))
        else:
            messages.success(request, "Scheduled.")
            return redirect("articles:edit", pk=pk)
    return edit_page(request, found, ArticleForm(instance=found), user, schedule_form=form)


@login_required
@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    user = cast("User", request.user)
    found = get_object_or_404(permissions.changeable_by(user), pk=pk)
    writing.delete_article(article=found, by=user)
    messages.success(request, f'"{found}" was deleted.')
    return redirect("articles:desk")


@login_required
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """The HTML of what is being written, for the pane beside it."""
    permissions.require_write(request.user)
    body = request.POST.get("body", "")[:MAX_BODY_CHARACTERS]
    return render(
        request, "tenant/articles/includes/preview.html", {"preview": render_markdown(body)}
    )
