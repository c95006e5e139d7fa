"""What stands on the home page: the sections that are on, in their order, with their content."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tenant_apps.articles.permissions import Person
from tenant_apps.articles.rendering import render_markdown
from tenant_apps.articles.selectors import categories_in_use as article_categories
from tenant_apps.articles.selectors import latest_articles
from tenant_apps.products.selectors import categories_in_use as product_categories
from tenant_apps.products.selectors import featured_products, latest_products
from tenant_apps.workspace.look import Section
from tenant_apps.workspace.showing import ShownLook

ARTICLES_SHOWN: Final = 4
PRODUCTS_SHOWN: Final = 8
CATEGORIES_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class ShownSection:
    """One section.

    Args:
        templates: the theme's own first, then the one of all themes.
        content: by name, for the template; a section without any is left out.
    """

    kind: str
    section: Section
    templates: tuple[str, str]
    content: Mapping[str, Any]


def sections_for(look: ShownLook, *, person: Person) -> list[ShownSection]:
    """The sections to show to this person. A fixed number of queries for each kind, whatever there is:
    articles 1, products 3, categories 2, the others none."""
    shown = []
    for section in look.look.ordered_sections:
        content = _CONTENTS[section.kind](section, look, person) if section.is_on else None
        if content is not None:
            templates = (
                f"tenant/workspace/themes/{look.theme_name}/{section.kind}.html",
                f"tenant/workspace/sections/{section.kind}.html",
            )
            shown.append(ShownSection(section.kind, section, templates, content))
    return shown


Content = Mapping[str, Any] | None


def _hero(section: Section, look: ShownLook, person: Person) -> Content:
    del section, person
    return {"picture": look.picture}


def _articles(section: Section, look: ShownLook, person: Person) -> Content:
    del section, look
    articles = latest_articles(ARTICLES_SHOWN, person=person)
    return {"lead_article": articles[0], "articles": articles[1:]} if articles else None


def _products(section: Section, look: ShownLook, person: Person) -> Content:
    del look, person
    is_featured = section.shows == "featured"
    products = (featured_products if is_featured else latest_products)(PRODUCTS_SHOWN)
    return {"products": products} if products else None


def _text(section: Section, look: ShownLook, person: Person) -> Content:
    del look, person
    return {"html": render_markdown(section.text)} if section.text.strip() else None


def _categories(section: Section, look: ShownLook, person: Person) -> Content:
    del section, look
    found = {
        "article_categories": list(article_categories(person)[:CATEGORIES_SHOWN]),
        "product_categories": list(product_categories()[:CATEGORIES_SHOWN]),
    }
    return found if any(found.values()) else None


def _letters(section: Section, look: ShownLook, person: Person) -> Content:
    del section, look, person
    return {}


_CONTENTS: Final[Mapping[str, Callable[[Section, ShownLook, Person], Content]]] = {
    "hero": _hero,
    "articles": _articles,
    "products": _products,
    "text": _text,
    "categories": _categories,
    "letters": _letters,
}
