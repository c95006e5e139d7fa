"""An article's history, a writer's unsaved words, and two writers' words in one."""

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tenant_apps.articles import permissions, revising
from tenant_apps.articles.differences import compare_texts
from tenant_apps.articles.errors import ArticleError, EditConflict, WordsUnmerged
from tenant_apps.articles.forms import KeptWordsForm, MergeForm
from tenant_apps.articles.models import Article, KeptWords
from tenant_apps.users.models import User

REVISIONS_PER_PAGE = 30


@login_required
@require_GET
def history(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What an article was, the newest first."""
    article = get_object_or_404(permissions.changeable_by(request.user), pk=pk)
    page = Paginator(revising.revisions_of(article), REVISIONS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(
        request,
        "tenant/articles/history.html",
        {"section": "desk", "article": article, "page": page},
    )


@login_required
@require_GET
def revision(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """One revision, and what it changed; `?against=now` compares it with the article as it is."""
    article = get_object_or_404(permissions.changeable_by(request.user), pk=pk)
    found = get_object_or_404(article.revisions.select_related("saved_by"), number=number)
    with_now = request.GET.get("against") == "now"
    compared = revising.compare_revision(article=article, revision=found, with_now=with_now)
    return render(
        request,
        "tenant/articles/revision.html",
        {
            "section": "desk",
            "article": article,
            "revision": found,
            "with_now": with_now,
            "is_first": not compared.against,
            "is_newest": revising.words_at(article, article.version) == found,
            "title": compared.title,
            "excerpt": compared.excerpt,
            "body": compared.body,
        },
    )


@login_required
@require_POST
def restore(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    user = cast("User", request.user)
    article = get_object_or_404(permissions.changeable_by(user), pk=pk)
    get_object_or_404(article.revisions, number=number)
    revising.restore_revision(article=article, number=number, by=user)
    messages.success(
        request, f"The words of revision {number} are back. Those before are in the history."
    )
    return redirect("articles:edit", pk=pk)


@never_cache
@login_required
@require_POST
def keep_new_words(request: HttpRequest) -> HttpResponse:
    """Keep what is typed of an article that is yet to begin."""
    user = cast("User", request.user)
    permissions.require_write(user)
    return _kept(request, None, user)


@never_cache
@login_required
@require_POST
def keep_words(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Keep what is typed of an article and not saved."""
    user = cast("User", request.user)
    return _kept(request, get_object_or_404(permissions.changeable_by(user), pk=pk), user)


def _kept(request: HttpRequest, article: Article | None, user: User) -> HttpResponse:
    form = KeptWordsForm(request.POST)
    if not form.is_valid():
        sentences = [str(error) for errors in form.errors.values() for error in errors]
        return JsonResponse({"refused": " ".join(sentences)}, status=400)
    kept = revising.keep_words(article=article, by=user, **form.words())
    return JsonResponse({"kept_at": kept.kept_at if kept else None})


@login_required
@require_POST
def drop_new_words(request: HttpRequest) -> HttpResponse:
    """Throw away what was typed of an article that is yet to begin."""
    user = cast("User", request.user)
    permissions.require_write(user)
    revising.drop_words(article=None, by=user)
    messages.success(request, "Your unsaved words are gone.")
    return redirect("articles:write")


@login_required
@require_POST
def drop_words(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Throw away what was typed of an article and not saved."""
    user = cast("User", request.user)
    article = get_object_or_404(permissions.changeable_by(user), pk=pk)
    revising.drop_words(article=article, by=user)
    messages.success(request, "Your unsaved words are gone; this is the article as it is.")
    return redirect("articles:edit", pk=pk)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def merge(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One's own unsaved words beside what was saved meanwhile, and both in one, to be saved."""
    user = cast("User", request.user)
    article = get_object_or_404(permissions.changeable_by(user).for_page(), pk=pk)
    kept = revising.kept_words(article=article, by=user)
    if kept is None or kept.base_version == article.version:
        return redirect("articles:edit", pk=pk)
    form = MergeForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        try:
            revising.save_merged(article=article, by=user, **form.merged())
        except WordsUnmerged as error:
            form.add_error("body", str(error))
        except EditConflict:
            _keep_merged(article, kept, form, user)
            messages.warning(
                request, "It was saved once more meanwhile. Here are your words and the newest."
            )
            return redirect("articles:merge", pk=pk)
        except ArticleError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved, with the words of both.")
            return redirect("articles:edit", pk=pk)
    return _merge_page(request, article, kept, form)


def _keep_merged(article: Article, kept: KeptWords, form: MergeForm, user: User) -> None:
    """What the writer made of both is theirs from now on, and begins from what they were shown."""
    merged = form.cleaned_data
    revising.keep_words(
        article=article,
        by=user,
        base_version=merged["version"],
        title=merged["title"],
        excerpt=merged["excerpt"],
        body=merged["body"],
        tags=merged["tags"],
    )


def _merge_page(
    request: HttpRequest, article: Article, kept: KeptWords, form: MergeForm | None
) -> HttpResponse:
    proposal = revising.propose_merge(article=article, kept=kept)
    base = proposal.base.body if proposal.base else article.body
    if form is None:
        form = MergeForm(
            initial={
                "title": proposal.title,
                "body": proposal.body.text,
                "excerpt": proposal.excerpt,
                "tags": ", ".join(proposal.tags),
                "version": proposal.version,
            }
        )
    newest = revising.words_at(article, article.version)
    return render(
        request,
        "tenant/articles/merge.html",
        {
            "section": "desk",
            "article": article,
            "kept": kept,
            "proposal": proposal,
            "form": form,
            "saved_by": newest.saved_by if newest else None,
            "theirs": compare_texts(base, article.body),
            "ours": compare_texts(base, kept.body),
            "now": timezone.now(),
        },
    )
