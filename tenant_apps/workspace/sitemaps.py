"""What search engines find: the sitemap of all apps (https://www.sitemaps.org/protocol.html), and robots.txt
(RFC 9309)."""

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

from shared_apps.tenants.context import TenantRef, require_tenant
from tenant_apps.articles.sharing import count_sitemap_pages
from tenant_apps.links import page_url
from tenant_apps.products.selectors import (
    addresses_for_sitemap,
    categories_in_use,
    count_for_sitemap,
)

ITEMS: Final = 5_000
# What is no page for search engines: the people's rooms, and what is sent from forms.
_NOT_FOR_ROBOTS: Final = (
    "/account/",
    "/admin/",
    "/api/",
    "/dashboard/",
    "/desk/",
    "/invitations/",
    "/subscription/",
)
_XMLNS: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"


def make_robots(*, allows: bool) -> str:
    """The whole robots.txt.

    Args:
        allows: whether anything may be read at all.
    """
    if not allows:
        return "User-agent: *\nDisallow: /\n"
    rules = "".join(f"Disallow: {path}\n" for path in _NOT_FOR_ROBOTS)
    address = page_url(require_tenant(), "workspace:sitemap")
    return f"User-agent: *\n{rules}\nSitemap: {address}\n"


def make_index() -> str:
    """Every page of the sitemaps of articles and of products: an index lists no index. Two queries."""
    tenant = require_tenant()
    found = [
        *_addresses(page_url(tenant, "articles:sitemap"), count_sitemap_pages()),
        *_addresses(
            page_url(tenant, "workspace:product-sitemap"), -(-count_for_sitemap() // ITEMS)
        ),
    ]
    return _document("sitemapindex", "sitemap", ((address, "") for address in found))


def _addresses(address: str, pages: int) -> list[str]:
    return [f"{address}?page={page}" for page in range(1, max(1, pages) + 1)]


def make_product_sitemap(page: int) -> str | None:
    """The products that are on sale and their categories. At most two queries.

    Args:
        page: from 1.
    Returns:
        None where there is no such page.
    """
    tenant = require_tenant()
    start = (page - 1) * ITEMS
    rows = list(addresses_for_sitemap()[start : start + ITEMS])
    if page > 1 and not rows:
        return None
    products = [
        (page_url(tenant, "products:product", handle), changed.isoformat(timespec="seconds"))
        for handle, changed in rows
    ]
    return _document("urlset", "url", [*(_pages(tenant) if page == 1 else ()), *products])


def _pages(tenant: TenantRef) -> Iterable[tuple[str, str]]:
    yield page_url(tenant, "products:list"), ""
    for category in categories_in_use()[:ITEMS]:
        yield page_url(tenant, "products:category", category.slug), ""


def _document(root: str, element: str, found: Iterable[tuple[str, str]]) -> str:
    lines = "\n".join(
        f"<{element}><loc>{escape(address)}</loc>"
        + (f"<lastmod>{changed}</lastmod>" if changed else "")
        + f"</{element}>"
        for address, changed in found
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_XMLNS}">\n{lines}\n</{root}>\n'
    )
