"""What visitors read."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from tenant_apps.activity.generation import current_generation
from tenant_apps.articles import commenting, counting, permissions, searching, selectors, sharing
from tenant_apps.articles.forms import CommentForm
from tenant_apps.articles.models import Article, Category, Tag
from tenant_apps.articles.rendering import kept_html
from tenant_apps.counted_pages import CountedPages

PER_PAGE = 12
CATEGORIES_PER_PAGE = 60
SHOWN_BESIDE = 4


@require_GET
def article_list(request: HttpRequest) -> HttpResponse:
    """The newest articles; those that fit where `q` asks for words."""
    query = searching.tidy_query(request.GET.get("q", ""))
    return _search_page(request, query) if query else _list_page(request)


def _search_page(request: HttpRequest, query: str) -> HttpResponse:
    found = searching.search_articles(articles=permissions.readable_by(request.user), query=query)
    page = Paginator(found.keys, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "tenant/articles/search.html",
        {
            "section": "articles",
            "query": query,
            "found": found,
            "page": page,
            "hits": searching.load_hits(found, list(page.object_list)),
            "most": searching.MAX_RANKED,
        },
    )


@require_GET
def category(request: HttpRequest, slug: str) -> HttpResponse:
    return _list_page(request, chosen=get_object_or_404(Category, slug=slug))


@require_GET
def categories(request: HttpRequest) -> HttpResponse:
    """All categories that have something to read, a page at a time."""
    return render(
        request,
        "tenant/articles/categories.html",
        {
            "section": "articles",
            "page": Paginator(
                selectors.categories_in_use(request.user), CATEGORIES_PER_PAGE
            ).get_page(request.GET.get("page")),
        },
    )


@require_GET
def tag(request: HttpRequest, slug: str) -> HttpResponse:
    return _list_page(request, tag=get_object_or_404(Tag, slug=slug))


def _list_page(
    request: HttpRequest, *, chosen: Category | None = None, tag: Tag | None = None
) -> HttpResponse:
    generation = current_generation()
    tag_slug = tag.slug if tag else ""
    articles = selectors.list_articles(person=request.user, category=chosen, tag_slug=tag_slug)
    page = CountedPages(
        articles,
        PER_PAGE,
        generation=generation,
        name=f"articles:{permissions.audience_of(request.user)}:{chosen and chosen.pk}:{tag_slug}",
    ).get_page(request.GET.get("page"))
    return render(
        request,
        "tenant/articles/list.html",
        {
            "section": "articles",
            "page": page,
            "canonical": sharing.list_url(category=chosen, tag=tag, page=page.number),
            "category": chosen,
            "tag": tag,
            "tabs": selectors.category_tabs(chosen, person=request.user, generation=generation),
            "can_write": permissions.can_write(request.user),
        },
    )


@require_GET
def article(request: HttpRequest, slug: str) -> HttpResponse:
    """An article. Under an address that it had before: the way to where it is now."""
    found = permissions.visible_to(request.user).for_page().filter(slug=slug).first()
    if found is None:
        return _elsewhere(request, slug)
    if found.is_published and not permissions.can_change(request.user, found):
        counting.count_view(article=found)
    return article_page(request, found)


def article_page(
    request: HttpRequest,
    found: Article,
    *,
    comment_form: CommentForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The page of an article that this person may read; with a comment that could not be kept."""
    generation = current_generation()
    page, threads = commenting.threads_of(found, page=request.GET.get("page"))
    if comment_form is None:
        comment_form = CommentForm(
            is_member=request.user.is_authenticated,
            initial={"stamp": commenting.stamp_form(found), "answers": _answered(request)},
        )
    return render(
        request,
        "tenant/articles/article.html",
        {
            "section": "articles",
            "article": found,
            "html": kept_html(found.body),
            "metadata": sharing.metadata_of(found),
            "beside": generation.kept(
                f"articles:beside:1:{permissions.audience_of(request.user)}:{found.pk}",
                lambda: _beside(found, request),
            ),
            "can_change": permissions.can_change(request.user, found),
            "can_comment": permissions.can_comment(request.user, found),
            "can_moderate": permissions.can_moderate(request.user),
            "comment_form": comment_form,
            "page": page,
            "threads": threads,
        },
        status=status,
    )


def _answered(request: HttpRequest) -> str:
    """The key of the comment that the form is to answer (`?answer=`), where it is one at all."""
    try:
        return str(UUID(request.GET.get("answer", "")))
    except ValueError:
        return ""


def _elsewhere(request: HttpRequest, slug: str) -> HttpResponse:
    moved = selectors.article_that_moved(slug, person=request.user)
    if moved is not None:
        return redirect(moved, permanent=True)
    if not request.user.is_authenticated and selectors.is_for_members(slug):
        messages.info(request, "This article is for members. Log in to read it.")
        return redirect_to_login(request.get_full_path())
    raise Http404("There is no such article.")


def _beside(article: Article, request: HttpRequest) -> SafeString:
    """The other articles that an article's page leads to, as HTML: the same for the whole audience."""
    return render_to_string(
        "tenant/articles/includes/beside.html",
        {
            "related": selectors.related_articles(article, person=request.user),
            "popular": _others(selectors.popular_articles, article, request),
            "recent": _others(selectors.latest_articles, article, request),
        },
    )


def _others(select: Any, article: Article, request: HttpRequest) -> list[Article]:
    """As many as are shown, without the article itself."""
    found: list[Article] = select(SHOWN_BESIDE + 1, person=request.user)
    return [one for one in found if one.pk != article.pk][:SHOWN_BESIDE]
