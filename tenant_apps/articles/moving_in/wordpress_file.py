"""Reads WordPress's own export (WXR: RSS 2.0 with elements of WordPress's), one item at a time.

Versions 1.0 to 1.2 are told apart by their namespaces alone, so elements are known by their local
names. https://developer.wordpress.org/reference/functions/export_wp/
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from tenant_apps.articles.moving_in.records import (
    DRAFT,
    PUBLISHED,
    SCHEDULED,
    ArticleRecord,
    CommentRecord,
    FileInvalid,
    LeftOutRecord,
    SourceFile,
    State,
    TermRecord,
    WriterRecord,
    path_of,
)

_STATES: Final[dict[str, State]] = {
    "publish": PUBLISHED,
    "private": DRAFT,
    "future": SCHEDULED,
    "draft": DRAFT,
    "pending": DRAFT,
}
_NOT_TAKEN: Final = {
    "trash": "It was in the bin.",
    "auto-draft": "WordPress had begun it by itself; nobody saved it.",
    "inherit": "It is an older state of another entry.",
}
_TAKEN_TYPES: Final = {"post", "page"}
# WordPress keeps these as entries; nobody wrote them.
_QUIET_TYPES: Final = {
    *("revision", "nav_menu_item", "custom_css", "customize_changeset", "oembed_cache"),
    *("user_request", "wp_global_styles", "wp_navigation", "wp_template", "wp_template_part"),
    *("wp_block", "wp_font_family", "wp_font_face"),
}
_NO_COMMENT: Final = {
    "pingback": "It says that another site has a link to the article.",
    "trackback": "It says that another site has a link to the article.",
    "spam": "It was marked as spam.",
    "trash": "It was in the bin.",
    "post-trashed": "It was in the bin.",
}
# <rss><channel> stand around what is read.
_DEPTH_OF_ITEMS: Final = 2
# WordPress writes the year -0001 where an entry has no date.
_NO_YEAR: Final = "-0001"
_NOBODY_SAYS_WHEN: Final = "0000-00-00 00:00:00"
# Characters that XML 1.0 forbids (section 2.2) and that WordPress's exports have all the same.
_FORBIDDEN: Final = bytes(n for n in range(32) if n not in {9, 10, 13})


class _EncodingUnknown(Exception):
    pass


class _Readable:
    """The file without the bytes that no XML parser takes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        cleaned = data.translate(None, _FORBIDDEN)
        # An empty answer would be the end of the file.
        return cleaned if cleaned or not data else b" "


def read_wordpress_file(file: IO[bytes], source: SourceFile) -> Iterator[ArticleRecord]:
    """The posts and pages of an export, in the file's order; the rest goes into `source`.

    Memory is one item's. Attachments may stand behind the posts that show them: `source` has all of
    them at the end.

    Args:
        file: opened for bytes, at its beginning.
        source: is filled while the items are read.
    Raises:
        FileInvalid: not an export of WordPress, or broken; what came before was given.
    """
    is_export = False
    try:
        events = _events_of(file)
        path: list[Element] = []
        for event, element in events:
            if event == "start":
                path.append(element)
                is_export = is_export or _name(element) == "wxr_version"
                continue
            path.pop()
            if len(path) != _DEPTH_OF_ITEMS:
                continue
            name = _name(element)
            if name == "item":
                yield from _read_item(element, source)
            else:
                _read_head(name, element, source)
            path[-1].remove(element)
    except ParseError as error:
        line, column = error.position
        raise FileInvalid(
            f"The file is broken at line {line}, character {column}. Export it again; a download that "
            "was cut short ends like this."
        ) from error
    except _EncodingUnknown as error:
        raise FileInvalid(
            "The file is written in an encoding that is not read here. Save it as UTF-8, or export it "
            "again."
        ) from error
    except DefusedXmlException as error:
        raise FileInvalid(
            "The file declares entities or a document type, which WordPress's exports never do. "
            "It is not read."
        ) from error
    if not is_export:
        raise FileInvalid(
            "This is no export of WordPress: it names no wxr_version. In WordPress choose Tools, "
            "Export, All content, and send the .xml file."
        )


def _events_of(file: IO[bytes]) -> Iterator[tuple[str, Element]]:
    try:
        yield from ElementTree.iterparse(_Readable(file), events=("start", "end"), forbid_dtd=True)
    except DefusedXmlException:  # a ValueError, too
        raise
    except (LookupError, ValueError) as error:
        # expat (XML_SetUnknownEncodingHandler): a name that Python does not know, or of several bytes
        raise _EncodingUnknown from error


def _read_head(name: str, element: Element, source: SourceFile) -> None:
    if name == "title":
        source.title = _text_of(element)
    elif name == "base_site_url" or (name == "link" and not source.address):
        source.address = _text_of(element)
    elif name == "author":
        login = _text(element, "author_login")
        source.writers[login] = WriterRecord(
            key=login,
            name=_text(element, "author_display_name") or login,
            email=_text(element, "author_email").lower(),
        )
    elif name == "category":
        source.terms.append(
            TermRecord(
                "category",
                _text(element, "cat_name"),
                unquote(_text(element, "category_nicename")),
                unquote(_text(element, "category_parent")),
            )
        )
    elif name == "tag":
        source.terms.append(
            TermRecord("tag", _text(element, "tag_name"), unquote(_text(element, "tag_slug")))
        )


def _read_item(item: Element, source: SourceFile) -> Iterator[ArticleRecord]:
    kind = _text(item, "post_type") or "post"
    title = _text(item, "title")
    key = _text(item, "post_id") or _text(item, "guid") or _text(item, "link") or title
    status = _text(item, "status") or "publish"
    if kind == "attachment":
        source.attachments[key] = _text(item, "attachment_url") or _text(item, "guid")
        return
    if kind in _QUIET_TYPES:
        return
    if kind not in _TAKEN_TYPES:
        why = f"Entries of the type “{kind}” belong to a plugin of the other system."
        source.left_out.append(LeftOutRecord(kind, title, why))
        return
    if status not in _STATES:
        why = _NOT_TAKEN.get(status, f"Its state “{status}” is not known.")
        source.left_out.append(LeftOutRecord(kind, title, why))
        return
    yield _article(
        item, source, key=key, title=title, state=_STATES[status], is_page=kind == "page"
    )


def _article(
    item: Element, source: SourceFile, *, key: str, title: str, state: State, is_page: bool
) -> ArticleRecord:
    html = _text(item, "encoded", within="content")
    terms = [_term(element) for element in _children(item, "category")]
    metas = {
        _text(meta, "meta_key"): _text(meta, "meta_value") for meta in _children(item, "postmeta")
    }
    published_at = _moment(item, "post_date")
    addresses = [_text(item, "link"), _text(item, "guid")]
    if key.isdecimal():
        addresses.append(f"/?p={key}")
    return ArticleRecord(
        key=key,
        title=title,
        slug=unquote(_text(item, "post_name")),
        addresses=tuple(dict.fromkeys(path_of(a) for a in addresses if a and path_of(a) != "/")),
        html=html,
        excerpt=_text(item, "encoded", within="excerpt"),
        writer=_text(item, "creator"),
        state=state,
        created_at=published_at,
        published_at=published_at if state != DRAFT else None,
        updated_at=_moment(item, "post_modified"),
        categories=tuple(term for term in terms if term.kind == "category"),
        tags=tuple(term for term in terms if term.kind == "tag"),
        comments=tuple(_comments(item, title, source)),
        image_url=metas.get("_thumbnail_id", ""),
        is_page=is_page,
        is_plain=True,
        needs_password=bool(_text(item, "post_password")),
    )


def _term(element: Element) -> TermRecord:
    name = _text_of(element)
    kind = element.get("domain", "category")
    slug = unquote(element.get("nicename", ""))
    return TermRecord("tag" if kind in {"post_tag", "tag"} else "category", name, slug)


def _comments(item: Element, title: str, source: SourceFile) -> Iterator[CommentRecord]:
    for element in _children(item, "comment"):
        approved = _text(element, "comment_approved")
        why = _NO_COMMENT.get(_text(element, "comment_type")) or _NO_COMMENT.get(approved)
        if why:
            source.left_out.append(LeftOutRecord("comment", title, why))
            continue
        parent = _text(element, "comment_parent")
        yield CommentRecord(
            key=_text(element, "comment_id"),
            parent_key="" if parent in {"", "0"} else parent,
            name=_text(element, "comment_author"),
            email=_text(element, "comment_author_email").lower(),
            text=_text(element, "comment_content"),
            written_at=_moment(element, "comment_date") or datetime.now(UTC),
            is_approved=approved in {"1", "approve", "approved"},
        )


def _moment(element: Element, name: str) -> datetime | None:
    """A moment in UTC. Where the file gives no GMT (old exports, drafts): pubDate, then local time."""
    gmt = _text(element, f"{name}_gmt")
    if gmt and gmt != _NOBODY_SAYS_WHEN:
        return _parsed(gmt)
    published = _text(element, "pubDate")
    if name == "post_date" and published and _NO_YEAR not in published:
        with suppress(ValueError, OverflowError):  # then the local time says it
            return parsedate_to_datetime(published).astimezone(UTC)
    local = _text(element, name)
    return _parsed(local) if local and local != _NOBODY_SAYS_WHEN else None


def _parsed(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


# --- Elements ----------------------------------------------------------------------------------------


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _space(element: Element) -> str:
    return str(element.tag).rpartition("}")[0]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _text(element: Element, name: str, *, within: str = "") -> str:
    """The text of the first child of this name; `within` is a part of its namespace."""
    for child in element:
        if _name(child) == name and within in _space(child):
            return _text_of(child)
    return ""


def _text_of(element: Element) -> str:
    return (element.text or "").strip()
