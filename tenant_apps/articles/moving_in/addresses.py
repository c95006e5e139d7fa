"""Addresses of the site before: where they lead now. Runs in the tenant's schema."""

from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from tenant_apps.articles.models import MovedAddress, State
from tenant_apps.articles.models.moving import ADDRESS_LENGTH
from tenant_apps.articles.moving_in.records import path_of

# What WordPress calls an entry whose address it makes no words of: `/?p=7`.
PLAIN_ADDRESSES: Final = frozenset({"p", "page_id"})


def normal_address(address: str) -> str:
    """One spelling of a path with its query: decoded, and without the slash at the end. Empty for the
    site's first page, and for what is too long to be kept."""
    path, mark, query = path_of(address).partition("?")
    normal = unquote(path).rstrip("/") + (mark + query if query else "")
    if normal and not normal.startswith(("/", "?")):
        normal = f"/{normal}"
    return normal if len(normal) <= ADDRESS_LENGTH and "\x00" not in normal else ""


def find_target(address: str) -> str | None:
    """Where an address of the site before leads now: the path of a published article, of a category or
    of a tag. One query.

    Args:
        address: path and query, as it was asked for.
    """
    whole = normal_address(address)
    bare = whole.partition("?")[0]
    wanted = [one for one in dict.fromkeys((whole, _plain(whole), bare)) if one]
    rows = {
        row.address: row
        for row in MovedAddress.objects.filter(address__in=wanted).select_related(
            "article", "category", "tag"
        )
    }
    for one in wanted:
        row = rows.get(one)
        if row is not None and (row.article is None or row.article.state == State.PUBLISHED):
            path: str = row.target.get_absolute_url()
            return path
    return None


def _plain(address: str) -> str:
    """The short address of an entry, `?p=7`, without what else stands in the query; empty for others."""
    path, _, query = address.partition("?")
    pairs = parse_qsl(query) if not path else []
    return next((f"?{name}={value}" for name, value in pairs if name in PLAIN_ADDRESSES), "")


class Site:
    """The site before, as its links name it: with or without www, by http or https."""

    def __init__(self, address: str) -> None:
        self.host = _bare_host(address)
        self._address = address.rstrip("/")

    def path_of_own(self, address: str) -> str | None:
        """The path of a link that leads to the site itself; None for another host's."""
        if address.startswith("/") and not address.startswith("//"):
            return address
        if self.host and _bare_host(address) == self.host:
            return path_of(address)
        return None

    def whole(self, address: str) -> str:
        """A link as it can be followed from elsewhere."""
        if self._address and address.startswith("/") and not address.startswith("//"):
            parts = urlsplit(self._address)
            return f"{parts.scheme}://{parts.netloc}{address}"
        return f"https:{address}" if address.startswith("//") else address


def _bare_host(address: str) -> str:
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")
