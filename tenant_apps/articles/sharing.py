"""What other programs read of an article: search engines, previews of links, feed readers, sitemaps."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count
from django.utils.feedgenerator import Atom1Feed, Rss201rev2Feed, SyndicationFeed
from django.utils.safestring import SafeString, mark_safe

from shared_apps.tenants.context import TenantRef, require_tenant
from tenant_apps.articles.language import current_language
from tenant_apps.articles.models import Article, Category, Tag
from tenant_apps.articles.permissions import readable_by
from tenant_apps.articles.selectors import categories_in_use
from tenant_apps.links import page_url

FEED_ITEMS: Final = 20
# At most 50,000 addresses and 50 MB are allowed (https://www.sitemaps.org/protocol.html); fewer are
# made faster.
SITEMAP_ITEMS: Final = 5_000
FEEDS: Final[Mapping[str, type[SyndicationFeed]]] = {"rss": Rss201rev2Feed, "atom": Atom1Feed}
# What XML 1.0 has no way to write (section 2.2, Char).
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# As Django's json_script: nothing in it ends the element that it stands in.
_IN_SCRIPT = {ord(">"): "\\u003E", ord("<"): "\\u003C", ord("&"): "\\u0026"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What stands in the head of an article's page.

    `json_ld` is JSON that is safe inside a script element; `image_url` is empty where there is none.
    """

    url: str
    title: str
    description: str
    image_url: str
    json_ld: SafeString


def article_url(article: Article, tenant: TenantRef) -> str:
    """The one address of an article, at the tenant's own hostname, however it was asked for."""
    return page_url(tenant, "articles:article", article.slug)


def list_url(*, category: Category | None, tag: Tag | None, page: int) -> str:
    """The one address of a page of a list, without what else was asked for in it.

    Args:
        page: from 1.
    """
    tenant = require_tenant()
    if category is not None:
        address = page_url(tenant, "articles:category", category.slug)
    elif tag is not None:
        address = page_url(tenant, "articles:tag", tag.slug)
    else:
        address = page_url(tenant, "articles:list")
    return address if page == 1 else f"{address}?page={page}"


def metadata_of(article: Article) -> Metadata:
    """What search engines and previews of links are told of a published article
    (https://schema.org/BlogPosting, https://ogp.me).

    Args:
        article: with author, category, cover and tags loaded.
    """
    tenant = require_tenant()
    url = article_url(article, tenant)
    image = ""
    if article.cover is not None and article.cover.is_ready:
        image = page_url(tenant, "media", article.cover.file_of(article.cover.width))
    told: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "BlogPosting",
        "headline": article.title[:110],
        "description": article.summary,
        "mainEntityOfPage": url,
        "url": url,
        "datePublished": _iso(article.published_at),
        "dateModified": _iso(_changed_at(article)),
        "author": {"@type": "Person", "name": str(article.author)},
        "publisher": {"@type": "Organization", "name": tenant.name},
        "inLanguage": current_language(),
        "articleSection": article.category.name if article.category else None,
        "keywords": [tag.name for tag in article.tags.all()] or None,
        "isAccessibleForFree": not article.is_for_members,
        "image": image or None,
    }
    text = json.dumps({name: value for name, value in told.items() if value is not None})
    return Metadata(
        url=url,
        title=article.title,
        description=article.summary,
        image_url=image,
        json_ld=mark_safe(text.translate(_IN_SCRIPT)),  # noqa: S308 (escaped here)
    )


def make_feed(kind: str) -> str:
    """The newest articles that everybody may read, as RSS 2.0 or Atom (RFC 4287).

    Args:
        kind: "rss" or "atom".
    """
    tenant = require_tenant()
    feed = FEEDS[kind](
        title=_xml(tenant.name),
        link=page_url(tenant, "articles:list"),
        description=_xml(f"Articles of {tenant.name}"),
        language=current_language(),
        feed_url=page_url(tenant, f"articles:feed-{kind}"),
    )
    newest = readable_by(AnonymousUser()).for_list().prefetch_related("tags")[:FEED_ITEMS]
    for article in newest:
        feed.add_item(
            title=_xml(article.title),
            link=article_url(article, tenant),
            description=_xml(article.summary),
            author_name=_xml(str(article.author)),
            pubdate=article.published_at,
            updateddate=_changed_at(article),
            # Its key, not its address: an article that moves is not read twice.
            unique_id=f"urn:uuid:{article.pk}",
            unique_id_is_permalink=False,
            categories=[_xml(tag.name) for tag in article.tags.all()],
        )
    return feed.writeString("utf-8")


def make_sitemap(page: int | None) -> str | None:
    """Everything that everybody may read, for search engines (https://www.sitemaps.org/protocol.html).

    Args:
        page: from 1; None is the sitemap itself, which is a list of its pages where there are too many
            articles for one.
    Returns:
        None where there is no such page.
    """
    articles = readable_by(AnonymousUser()).order_by("id")
    tenant = require_tenant()
    if page is None:
        count = articles.aggregate(count=Count("pk"))["count"]
        if count > SITEMAP_ITEMS:
            pages = range(1, -(-count // SITEMAP_ITEMS) + 1)
            address = page_url(tenant, "articles:sitemap")
            return _sitemap("sitemapindex", "sitemap", ((f"{address}?page={n}", "") for n in pages))
        page = 1
    start = (page - 1) * SITEMAP_ITEMS
    rows = list(articles.only("slug", "updated_at", "published_at")[start : start + SITEMAP_ITEMS])
    if page > 1 and not rows:
        return None
    found = [(article_url(article, tenant), _iso(_changed_at(article))) for article in rows]
    return _sitemap("urlset", "url", [*(_pages(tenant) if page == 1 else ()), *found])


def count_sitemap_pages() -> int:
    """How many pages the sitemap has: at least one. One query."""
    count = readable_by(AnonymousUser()).order_by().count()
    return max(1, -(-count // SITEMAP_ITEMS))


def _pages(tenant: TenantRef) -> Iterable[tuple[str, str]]:
    yield page_url(tenant, "workspace:home"), ""
    yield page_url(tenant, "articles:list"), ""
    for category in categories_in_use(AnonymousUser())[:SITEMAP_ITEMS]:
        yield page_url(tenant, "articles:category", category.slug), ""


def _sitemap(root: str, element: str, found: Iterable[tuple[str, str]]) -> str:
    lines = [
        f"<{element}><loc>{escape(address)}</loc>"
        + (f"<lastmod>{changed}</lastmod>" if changed else "")
        + f"</{element}>"
        for address, changed in found
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        + "\n".join(lines)
        + f"\n</{root}>\n"
    )


def _changed_at(article: Article) -> Any:
    return max(article.updated_at, article.published_at or article.updated_at)


def _iso(moment: Any) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("", text)
