"""Reads for the pages of articles. Who asks decides what is in them: see `permissions.readable_rule`."""

import operator
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from tenant_apps.activity.generation import Generation
from tenant_apps.articles.models import (
    Article,
    ArticleQuerySet,
    Category,
    OldAddress,
    State,
    Visibility,
)
from tenant_apps.articles.permissions import (
    Person,
    audience_of,
    readable_by,
    readable_rule,
    visible_to,
)

# As many tabs as a page can show; the rest is on a page of categories.
MAX_TABS = 12
# Related articles are looked for among so many, the newest that share a tag.
_RELATED_AMONG: Final = 100
_NOBODY: Final = AnonymousUser()


def count_articles() -> int:
    """How many articles the tenant keeps, in any state."""
    return Article.objects.count()


def count_by_state(articles: ArticleQuerySet) -> dict[str, int]:
    """How many of these articles are in each state."""
    return dict(articles.order_by().values_list("state").annotate(count=Count("pk")))


def latest_articles(limit: int, *, person: Person = _NOBODY) -> list[Article]:
    """The newest articles that this person may read."""
    return list(readable_by(person).for_list()[:limit])


def popular_articles(limit: int, *, person: Person = _NOBODY) -> list[Article]:
    """The articles that were opened most in the last weeks, of those that this person may read."""
    popular = readable_by(person).filter(popular__isnull=False)
    return list(popular.order_by("popular__place").for_list()[:limit])


def list_articles(
    *, person: Person, category: Category | None = None, tag_slug: str = ""
) -> ArticleQuerySet:
    """Published articles for a list page; those of a category include those of the ones below
    it."""
    articles = readable_by(person).for_list()
    if category is not None:
        articles = articles.filter(category__in=with_descendants(category))
    if tag_slug:
        articles = articles.filter(tags__slug=tag_slug)
    return articles


def article_that_moved(slug: str, *, person: Person) -> Article | None:
    """The article that had this slug before, where this person may read it."""
    old = OldAddress.objects.filter(slug=slug, article__in=visible_to(person))
    address = old.select_related("article").first()
    return address.article if address else None


def is_for_members(slug: str) -> bool:
    """Whether logging in would show the article that has this slug, or had it."""
    theirs = Article.objects.filter(state=State.PUBLISHED, visibility=Visibility.MEMBERS)
    return theirs.filter(Q(slug=slug) | Q(old_addresses__slug=slug)).exists()


def categories_in_use(person: Person = _NOBODY) -> QuerySet[Category]:
    """Categories that have something to read, with how much: `article_count`."""
    in_use = Category.objects.filter(Exists(_readable_in_category(person)))
    return in_use.annotate(article_count=_number_readable(person)).order_by("name", "id")


def _readable_in_category(person: Person) -> ArticleQuerySet:
    return Article.objects.filter(readable_rule(person), category=OuterRef("pk"))


def _number_readable(person: Person) -> Any:
    """By a subquery for each category: it reads the index alone, where a join would read the articles."""
    number: Any = _readable_in_category(person).order_by().values("category")
    return Coalesce(Subquery(number.annotate(number=Count("pk")).values("number")), 0)


@dataclass(frozen=True, slots=True)
class CategoryTabs:
    """The categories that a list page shows. `are_all` is false where there are more."""

    shown: list[Category]
    are_all: bool


def category_tabs(
    chosen: Category | None, *, person: Person, generation: Generation
) -> CategoryTabs:
    """The fullest categories in use, in their order, and the one that is chosen.

    Args:
        generation: asked for before: to count a large workspace's articles takes 40 ms.
    """
    in_use: Any = categories_in_use(person)

    def count() -> list[tuple[int, str, str, int]]:
        rows = in_use.order_by("-article_count", "id")
        return list(rows.values_list("id", "name", "slug", "article_count")[: MAX_TABS + 1])

    found = []
    for key, name, slug, number in generation.kept(f"articles:tabs:1:{audience_of(person)}", count):
        category: Any = Category(id=key, name=name, slug=slug)
        category.article_count = number
        found.append(category)
    shown = found[:MAX_TABS]
    if chosen is not None and chosen not in shown:
        shown += in_use.filter(pk=chosen.pk)
    by_name = operator.attrgetter("name", "id")
    return CategoryTabs(shown=sorted(shown, key=by_name), are_all=len(found) <= MAX_TABS)


@dataclass(frozen=True, slots=True)
class Branch:
    """A category in the tree: how deep it stands, and how much there is to read in it and below it."""

    category: Category
    parent_slug: str | None
    depth: int
    article_count: int


def category_tree(*, person: Person, generation: Generation) -> list[Branch]:
    """All categories as a tree's rows: each below its own, by their names. One query, or none where the
    generation has it.

    Args:
        generation: asked for before: to count a large workspace's articles takes 40 ms.
    """

    def count() -> list[tuple[int, str, str, int | None, int]]:
        counted: Any = Category.objects.annotate(article_count=_number_readable(person))
        rows = counted.order_by("name", "id")
        return list(rows.values_list("id", "name", "slug", "parent_id", "article_count"))

    rows = generation.kept(f"articles:tree:1:{audience_of(person)}", count)
    parents = {key: parent for key, _, _, parent, _ in rows}
    totals: dict[int, int] = {}
    for key, _, _, _, number in rows:
        above: int | None = key
        while above in parents:
            totals[above] = totals.get(above, 0) + number
            above = parents[above]
    children: dict[int | None, list[Category]] = {}
    for key, name, slug, parent, _ in rows:
        category = Category(id=key, name=name, slug=slug, parent_id=parent)
        children.setdefault(parent, []).append(category)
    found: list[Branch] = []
    waiting: list[tuple[Category, str | None, int]] = [
        (root, None, 0) for root in reversed(children.get(None, []))
    ]
    while waiting:
        category, parent_slug, depth = waiting.pop()
        found.append(Branch(category, parent_slug, depth, totals[category.pk]))
        below = reversed(children.get(category.pk, []))
        waiting.extend((child, category.slug, depth + 1) for child in below)
    return found


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


def related_articles(article: Article, limit: int = 3, *, person: Person) -> list[Article]:
    """Other articles to read after this one: those that share most tags with it, the newest first, and
    then the newest of its category. Two queries.

    Args:
        article: with its tags loaded.
    """
    links = Article.tags.through.objects
    shared = links.filter(tag__in=list(article.tags.all()))
    others = readable_by(person).exclude(pk=article.pk)
    of_one: Any = shared.filter(article=OuterRef("pk")).order_by().values("article")
    number = of_one.annotate(number=Count("pk")).values("number")
    alike = list(
        others.filter(pk__in=shared.values("article"))
        .annotate(shared_tags=Coalesce(Subquery(number), 0))
        .for_list()[:_RELATED_AMONG]
    )
    alike.sort(key=operator.attrgetter("shared_tags"), reverse=True)
    chosen = alike[:limit]
    if len(chosen) < limit and article.category_id is not None:
        same = others.filter(category_id=article.category_id)
        same = same.exclude(pk__in=[one.pk for one in chosen])
        chosen += same.for_list()[: limit - len(chosen)]
    return chosen
