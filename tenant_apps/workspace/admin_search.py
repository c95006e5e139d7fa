"""Finding things of all kinds from anywhere in the admin.

Each kind is looked for by its own list's rules: who may see it there finds it here, and nobody else.
Runs in the tenant's schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from tenant_apps.articles.models import Article
from tenant_apps.articles.models import Category as ArticleCategory
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import Product
from tenant_apps.users.models import User

SHORTEST: Final = 2
LONGEST: Final = 100
# Of each kind; the list of a kind finds the rest.
EACH: Final = 6


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that is looked for."""

    model: type[Model]
    name: str
    icon: str


# In the order of the menu.
KINDS: Final = (
    Kind(Article, "Article", "article"),
    Kind(ArticleCategory, "Category of articles", "account_tree"),
    Kind(Product, "Product", "inventory_2"),
    Kind(ProductCategory, "Category of products", "category"),
    Kind(User, "Person", "group"),
)


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found, as the admin's search shows it."""

    title: str
    description: str
    link: str
    icon: str


def find_everywhere(*, request: HttpRequest, registry: Mapping[Any, Any], text: str) -> list[Hit]:
    """What this person may see of what fits, at most `EACH` of a kind.

    Args:
        registry: the admin's, which has each kind's rules.
        text: as it was typed; less than two characters find nothing.
    """
    words = " ".join(text.replace("\0", "").split())[:LONGEST]
    if len(words) < SHORTEST:
        return []
    hits = []
    for kind in KINDS:
        admin: Any = registry[kind.model]
        # Whoever may only pick one in a form has no list of them.
        if not (admin.has_module_permission(request) and admin.has_view_permission(request)):
            continue
        found, _ = admin.get_search_results(request, admin.get_queryset(request), words)
        address = f"admin:{kind.model._meta.app_label}_{kind.model._meta.model_name}_change"
        hits += [
            Hit(str(one), kind.name, reverse(address, args=[one.pk]), kind.icon)
            for one in islice(dict.fromkeys(found[: EACH * 2]), EACH)
        ]
    return hits
