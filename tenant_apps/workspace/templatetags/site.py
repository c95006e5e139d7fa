"""What themes may show on any page: `{% load site %}`. docs/engineers/themes.md has an example of each.

Each tag asks a fixed number of queries, whatever there is, and shows what the reader may see.
"""

from dataclasses import dataclass
from typing import Any, Final

from django import template
from django.contrib.auth.models import AnonymousUser

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity.notifications import unread_count
from tenant_apps.articles.models import Article
from tenant_apps.articles.models import Category as ArticleCategory
from tenant_apps.articles.selectors import categories_in_use as articles_in_use
from tenant_apps.articles.selectors import latest_articles
from tenant_apps.links import page_url
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import Product
from tenant_apps.products.selectors import categories_in_use as products_in_use
from tenant_apps.products.selectors import featured_products as select_featured
from tenant_apps.workspace.kept_row import known_workspace

register = template.Library()

# However many a theme asks for.
MOST: Final = 50


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """What a site says of itself. `url` is the address of its first page."""

    name: str
    tagline: str
    language: str
    time_zone: str
    currency: str
    url: str


@register.simple_tag(takes_context=True)
def recent_articles(context: template.Context, limit: int = 5) -> list[Article]:
    """The newest articles that the reader may see: one query."""
    return latest_articles(_bounded(limit), person=_person(context))


@register.simple_tag(takes_context=True)
def article_categories(context: template.Context, limit: int = 12) -> list[ArticleCategory]:
    """Categories that have something to read, with how much (`article_count`): one query."""
    return list(articles_in_use(_person(context))[: _bounded(limit)])


@register.simple_tag
def product_categories(limit: int = 12) -> list[ProductCategory]:
    """Categories that have something on sale, with how much (`product_count`): one query."""
    return list(products_in_use()[: _bounded(limit)])


@register.simple_tag
def featured_products(limit: int = 4) -> list[Product]:
    """The products that stand in front: three queries."""
    return select_featured(_bounded(limit))


@register.simple_tag
def site_info() -> SiteInfo:
    """Name, line, language, time zone, currency, address: no query."""
    workspace, tenant = known_workspace(), require_tenant()
    return SiteInfo(
        name=tenant.name,
        tagline=workspace.tagline,
        language=workspace.language,
        time_zone=workspace.time_zone,
        currency=workspace.currency,
        url=page_url(tenant, "workspace:home"),
    )


@register.simple_tag(takes_context=True)
def unread_notifications(context: template.Context) -> int:
    """How many notifications the reader has not read: one query at most, none for strangers."""
    person = _person(context)
    return unread_count(person) if person.is_authenticated else 0


@register.filter
def full_name(person: Any) -> str:
    """A person's name; what stands before the @ of the address where they have told none. Nothing for
    strangers."""
    if not getattr(person, "is_authenticated", False):
        return ""
    return str(person.get_full_name() or person.email.partition("@")[0])


def _bounded(limit: int) -> int:
    return max(0, min(int(limit), MOST))


def _person(context: template.Context) -> Any:
    return context.get("user") or AnonymousUser()
