"""Markdown to HTML that is safe to show, whoever wrote it.

Two walls: the parser knows no raw HTML, and what it makes goes through an allow-list cleaner.
"""

import hashlib
import re
from collections.abc import Sequence

import nh3
from django.core.cache import cache
from django.utils.html import strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

EXCERPT_CHARACTERS = 200
# Count it up where render_markdown comes to make something else of a text: what is kept is then old.
MADE_BY = 1
_KEPT_SECONDS = 24 * 3600

_TAGS = {
    *(
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "br",
        "hr",
        "blockquote",
        "pre",
        "code",
        "em",
        "strong",
        "s",
    ),
    *(
        "ul",
        "ol",
        "li",
        "a",
        "img",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "input",
        "sup",
        "section",
    ),
}
_ATTRIBUTES = {
    "a": {"href", "title", "id", "class"},
    "img": {"src", "alt", "title"},
    "code": {"class"},
    "ol": {"start", "class"},
    "ul": {"class"},
    "li": {"class", "id"},
    "sup": {"class"},
    "section": {"class"},
    "hr": {"class"},
    "th": {"align"},
    "td": {"align"},
    "input": {"type", "checked", "disabled", "class"},
}
_CLASSES = re.compile(
    r"\A(language-[\w+#.-]{1,30}|contains-task-list|task-list-item(-checkbox)?|footnote(s|-ref|-item|-backref|s-sep|s-list)?)\Z"
)
_FOOTNOTE_ID = re.compile(r"\Afn(ref)?[\d:]{1,8}\Z")
_ALIGNMENT = re.compile(r"\Atext-align:\s*(left|center|right)\Z")


def render_markdown(text: str) -> SafeString:
    """HTML of an article's text.

    Understood: CommonMark, tables, strikethrough, task lists, footnotes. Headings begin at h2,
    since the page's title is its h1. Links may lead to http, https and mailto.
    """
    return mark_safe(_clean(_parser.render(text)))  # noqa: S308 (cleaned by the allow-list)


def kept_html(text: str) -> SafeString:
    """As render_markdown, made once a text: it stays in the cache under what the text is."""
    digest = hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
    key = f"markdown:{MADE_BY}:{digest}"
    found: str | None = cache.get(key)
    if found is None:
        found = str(render_markdown(text))
        cache.set(key, found, _KEPT_SECONDS)
    html: SafeString = mark_safe(found)  # noqa: S308 (what render_markdown made)
    return html


def make_excerpt(text: str) -> str:
    """The first words of a text without its marks, for lists and search results."""
    return Truncator(plain_text(text)).chars(EXCERPT_CHARACTERS, truncate="…")


def plain_text(text: str) -> str:
    """A text without its marks, in one line."""
    return " ".join(_unescape(strip_tags(_parser.render(text))).split())


def _lower_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _align_by_attribute(state: StateCore) -> None:
    # markdown-it aligns cells with a style attribute, which the content security policy forbids.
    for token in state.tokens:
        style = token.attrs.pop("style", None)
        if token.type in {"th_open", "td_open"} and (match := _ALIGNMENT.match(str(style))):
            token.attrs["align"] = match[1]


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.use(tasklists_plugin).use(footnote_plugin)
    parser.core.ruler.push("terrace_headings", _lower_headings)
    parser.core.ruler.push("terrace_alignment", _align_by_attribute)
    return parser


def _allowed_value(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        return " ".join(name for name in value.split() if _CLASSES.match(name)) or None
    if attribute == "id":
        return value if _FOOTNOTE_ID.match(value) else None
    if (tag, attribute) == ("input", "type"):
        return "checkbox"
    return value


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_allowed_value,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"img": {"loading": "lazy"}, "input": {"disabled": ""}},
        clean_content_tags={"script", "style"},
    )


def _unescape(html: str) -> str:
    for entity, character in _ENTITIES:
        html = html.replace(entity, character)
    return html


# `&amp;` last: the other way round, a text that speaks of "&lt;" would turn into a tag.
_ENTITIES: Sequence[tuple[str, str]] = (
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", '"'),
    ("&amp;", "&"),
)
_parser = _make_parser()
