"""Comments: sending one, removing one's own, and the moderators' queue."""

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from shared_apps.tenants.visitors import network_of
from tenant_apps.articles import commenting, permissions
from tenant_apps.articles.errors import ArticleError
from tenant_apps.articles.forms import CommentForm
from tenant_apps.articles.models import Article, Comment, CommentState
from tenant_apps.articles.views.reading import article_page
from tenant_apps.users.models import User

QUEUE_PER_PAGE = 30
_WAITS = "Thank you. Your comment is shown once a moderator has read it."


@require_POST
def send(request: HttpRequest, slug: str) -> HttpResponse:
    """Say something to an article."""
    article = get_object_or_404(permissions.visible_to(request.user).for_page(), slug=slug)
    permissions.require_comment(request.user, article)
    form = CommentForm(request.POST, is_member=request.user.is_authenticated)
    if form.is_trapped:
        # Told what people are told, a program goes away content.
        messages.success(request, _WAITS)
        return redirect(article)
    if form.is_valid():
        try:
            comment = _kept(request, article, form)
        except ArticleError as error:
            form.add_error("body", str(error))
        else:
            if comment.state == CommentState.APPROVED:
                return redirect(comment)
            messages.success(request, _WAITS)
            return redirect(article)
    # A new stamp: the old one may be what was wrong.
    data = request.POST.copy()
    data["stamp"] = commenting.stamp_form(article)
    form.data = data
    return article_page(request, article, comment_form=form, status=400)


def _kept(request: HttpRequest, article: Article, form: CommentForm) -> Comment:
    data = form.cleaned_data
    commenting.check_stamp(stamp=data["stamp"], article=article)
    answered = data["answers"]
    return commenting.make_comment(
        article=article,
        by=request.user,
        body=data["body"],
        network=network_of(request),
        name=data.get("name", ""),
        email=data.get("email", ""),
        answers=get_object_or_404(Comment, article=article, pk=answered) if answered else None,
    )


@login_required
@require_GET
def queue(request: HttpRequest) -> HttpResponse:
    """What waits for a moderator, and what was decided."""
    permissions.require_moderate(request.user)
    state = request.GET.get("state", CommentState.PENDING)
    if state not in CommentState.values:
        state = CommentState.PENDING
    comments = Comment.objects.filter(state=state).select_related("article", "author")
    return render(
        request,
        "tenant/articles/comments.html",
        {
            "section": "desk",
            "page": Paginator(comments, QUEUE_PER_PAGE).get_page(request.GET.get("page")),
            "state": state,
            "tabs": CommentState.choices,
        },
    )


@login_required
@require_POST
def moderate(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Approve or reject a comment."""
    user = cast("User", request.user)
    permissions.require_moderate(user)
    comment = get_object_or_404(Comment.objects.select_related("article"), pk=pk)
    verb = commenting.approve_comment if name == "approve" else commenting.reject_comment
    try:
        verb(comment=comment, by=user)
    except ArticleError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Shown." if name == "approve" else "Rejected.")
    return redirect("articles:comments")


@login_required
@require_POST
def remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Remove a comment: one's own, or any where one moderates."""
    user = cast("User", request.user)
    comment = get_object_or_404(
        Comment.objects.select_related("article").filter(article__in=permissions.visible_to(user)),
        pk=pk,
    )
    commenting.remove_comment(comment=comment, by=user)
    messages.success(request, "The comment is gone.")
    return redirect(comment.article)
