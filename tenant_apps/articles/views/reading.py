"""What visitors read."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from tenant_apps.articles import permissions, searching, selectors
from tenant_apps.articles.models import Category, Tag
from tenant_apps.articles.rendering import make_excerpt, render_markdown

PER_PAGE = 12
CATEGORIES_PER_PAGE = 60


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
            "page": Paginator(selectors.categories_in_use(), CATEGORIES_PER_PAGE).get_page(
                request.GET.get("page")
            ),
        },
    )


@require_GET
def tag(request: HttpRequest, slug: str) -> HttpResponse:
    return _list_page(request, tag=get_object_or_404(Tag, slug=slug))


def _list_page(
    request: HttpRequest, *, chosen: Category | None = None, tag: Tag | None = None
) -> HttpResponse:
    articles = selectors.list_articles(category=chosen, tag_slug=tag.slug if tag else "")
    page = Paginator(articles, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "tenant/articles/list.html",
        {
            "section": "articles",
            "page": page,
            "category": chosen,
            "tag": tag,
            "tabs": selectors.category_tabs(chosen),
            "can_write": permissions.can_write(request.user),
        },
    )


@require_GET
def article(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(permissions.visible_to(request.user).for_page(), slug=slug)
    return render(
        request,
        "tenant/articles/article.html",
        {
            "section": "articles",
            "article": found,
            "html": render_markdown(found.body),
            "description": found.excerpt or make_excerpt(found.body),
            "related": selectors.related_articles(found),
            "can_change": permissions.can_change(request.user, found),
        },
    )
