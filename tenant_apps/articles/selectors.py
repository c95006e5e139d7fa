"""Reads for the pages of articles."""

import operator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from tenant_apps.articles.models import Article, ArticleQuerySet, Category, State

# As many tabs as a page can show; the rest is on a page of categories.
MAX_TABS = 12


def count_articles() -> int:
    """How many articles the tenant keeps, in any state."""
    return Article.objects.count()


def count_by_state(articles: ArticleQuerySet) -> dict[str, int]:
    """How many of these articles are in each state."""
    return dict(articles.order_by().values_list("state").annotate(count=Count("pk")))


def latest_articles(limit: int) -> list[Article]:
    """The newest published articles, for the home page."""
    return list(Article.objects.published().for_list()[:limit])


def list_articles(*, category: Category | None = None, tag_slug: str = "") -> ArticleQuerySet:
    """Published articles for a list page; those of a category include those of the ones below
    it."""
    articles = Article.objects.published().for_list()
    if category is not None:
        articles = articles.filter(category__in=with_descendants(category))
    if tag_slug:
        articles = articles.filter(tags__slug=tag_slug)
    return articles


def categories_in_use() -> QuerySet[Category]:
    """Categories that have something to read, with how much: `article_count`."""
    published = Count("articles", filter=Q(articles__state=State.PUBLISHED))
    in_use = Category.objects.annotate(article_count=published).filter(article_count__gt=0)
    return in_use.order_by("name", "id")


@dataclass(frozen=True, slots=True)
class CategoryTabs:
    """The categories that a list page shows. `are_all` is false where there are more."""

    shown: list[Category]
    are_all: bool


def category_tabs(chosen: Category | None) -> CategoryTabs:
    """The fullest categories in use, in their order, and the one that is chosen."""
    in_use: Any = categories_in_use()
    found = list(in_use.order_by("-article_count", "id")[: MAX_TABS + 1])
    shown = found[:MAX_TABS]
    if chosen is not None and chosen not in shown:
        shown += in_use.filter(pk=chosen.pk)
    key = operator.attrgetter("name", "id")
    return CategoryTabs(shown=sorted(shown, key=key), are_all=len(found) <= MAX_TABS)


def with_descendants(category: Category) -> set[int]:
    """The keys of a category and of all below it. One query: the tree is small."""
    children: dict[int | None, list[int]] = {}
    for key, parent in Category.objects.values_list("pk", "parent_id"):
        children.setdefault(parent, []).append(key)
    found: set[int] = set()
    waiting = [category.pk]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(children.get(key, ()))
    return found


def related_articles(article: Article, limit: int = 3) -> list[Article]:
    """Other published articles of the same category, newest first."""
    if article.category_id is None:
        return []
    others = Article.objects.published().filter(category_id=article.category_id)
    return list(others.exclude(pk=article.pk).for_list()[:limit])
