"""HTML of other systems to the Markdown that articles are written in, and what gets lost on the way.

What Markdown has no word for keeps its text: a definition list becomes a list, a caption a line
below its picture, a video a link. What has neither (forms, scripts, shortcodes) is named, so that
nothing goes unseen.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Comment
from bs4.element import Tag
from markdownify import ATX, BACKSLASH, MarkdownConverter

_BLOCK: Final = re.compile(
    r"<(p|div|h[1-6]|ul|ol|dl|table|blockquote|pre|figure|hr|section|article|form|fieldset)\b", re.I
)
_BLOCK_COMMENT: Final = re.compile(r"<!--\s*/?wp:.*?-->", re.S)
_SHORTCODE: Final = re.compile(r"\[/?([a-z][a-z0-9_-]{2,})(?:\s[^\[\]]*)?/?\]", re.I)
_CAPTION: Final = re.compile(r"\[(?:wp_)?caption[^\]]*\](.*?)\[/(?:wp_)?caption\]", re.S | re.I)
_EMBED: Final = re.compile(r"\[embed[^\]]*\]\s*(.*?)\s*\[/embed\]", re.S | re.I)
_CODE: Final = re.compile(
    r"\[(code|sourcecode)(?:\s+(?:lang(?:uage)?=)?[\"']?([\w+#.-]*)[\"']?[^\]]*)?\](.*?)\[/\1\]",
    re.S | re.I,
)
_MEDIA: Final = re.compile(r"\[(video|audio|playlist)\b([^\]]*)\](?:\s*\[/\1\])?", re.I)
_GALLERY: Final = re.compile(r"\[gallery\b([^\]]*)\]", re.I)
_ADDRESS: Final = re.compile(r"(?:src|mp4|mp3|m4a|ogg|webm|url)=[\"']?([^\"'\s\]]+)", re.I)
_IDS: Final = re.compile(r"ids=[\"']?([\d,\s]+)", re.I)
_BARE_BAR: Final = re.compile(r"(?<!\\)\|")
_LINK: Final = re.compile(r"<a\b.*?</a>", re.S | re.I)
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_LANGUAGE: Final = re.compile(r"\b(?:lang(?:uage)?-|brush:\s*)([\w+#.-]{1,30})")
# Kept whole: a line end in one is no new line of text.
_PREFORMATTED: Final = re.compile(r"(<pre\b.*?</pre>)", re.S | re.I)

_DROPPED: Final = {
    "script": "a script",
    "style": "a style sheet",
    "form": "a form",
    "input": "a form's field",
    "select": "a form's field",
    "textarea": "a form's field",
    "button": "a button",
    "canvas": "a drawing made by a script",
    "svg": "a drawing",
    "object": "an embedded object",
    "applet": "an embedded program",
    "option": "",
    "optgroup": "",
    "noscript": "",
    "template": "",
    "head": "",
}
_KEPT_SCHEMES: Final = {"http", "https", "mailto", ""}


@dataclass(frozen=True, slots=True)
class Converted:
    """Markdown, and what could not be said in it: one sentence each, none twice."""

    markdown: str
    losses: tuple[str, ...]


def convert_html(
    html: str,
    *,
    is_plain: bool = False,
    attachments: Mapping[str, str] | None = None,
    lead_on: Callable[[str], str] = lambda address: address,
) -> Converted:
    """Turn a text into Markdown.

    Args:
        is_plain: paragraphs may be blank lines and there may be shortcodes, as WordPress keeps them.
        attachments: addresses of pictures by the number that a gallery names.
        lead_on: what a link or picture that led to an address leads to now.
    """
    losses: dict[str, None] = {}
    text = html.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    if is_plain:
        text = _without_blocks(text, attachments or {}, losses)
    soup = BeautifulSoup(text, "html.parser")
    _prepare(soup, losses)
    converter = _Converter(lead_on=lead_on, losses=losses)
    try:
        markdown: str = converter.convert_soup(soup)
    except RecursionError:
        # The library goes down element by element; no text that is read is nested so deep.
        losses["It is nested too deep to be read as it was: its words alone are taken."] = None
        library: Any = converter
        markdown = library.escape(plain_text(text), set())
    return Converted(_tidy(markdown), tuple(losses))


def plain_text(html: str) -> str:
    """The words alone, on one line."""
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.find_all(["script", "style"]):
        element.decompose()
    return " ".join(soup.get_text(" ").split())


# --- WordPress's way of keeping a text -----------------------------------------------------------------


def _without_blocks(text: str, attachments: Mapping[str, str], losses: dict[str, None]) -> str:
    text = _BLOCK_COMMENT.sub("", text)
    text = _CODE.sub(lambda m: f'<pre><code class="language-{m[2]}">{m[3]}</code></pre>', text)
    text = _CAPTION.sub(lambda m: _caption(m[1]), text)
    text = _EMBED.sub(lambda m: f'\n\n<p><a href="{m[1]}">{m[1]}</a></p>\n\n', text)
    text = _GALLERY.sub(lambda m: _gallery(m[1], attachments, losses), text)
    text = _MEDIA.sub(lambda m: _media(m[1], m[2], losses), text)
    outside = _PREFORMATTED.split(text)
    # [top] in a link is a word, no shortcode.
    for match in _SHORTCODE.finditer(_LINK.sub("", "".join(outside[::2]))):
        losses[f"The shortcode [{match[1].lower()}] stands in the text as it was."] = None
    if _has_paragraphs(text):
        return text
    parts = [part if number % 2 else _paragraphs(part) for number, part in enumerate(outside)]
    return "".join(parts)


def _has_paragraphs(text: str) -> bool:
    return re.search(r"<p[\s>]", text, re.I) is not None


def _paragraphs(text: str) -> str:
    """As WordPress's wpautop shows it: a blank line ends a paragraph, a line's end is kept."""
    made = []
    for part in _BLANK_LINES.split(text):
        stripped = part.strip()
        if not stripped:
            continue
        if _BLOCK.match(stripped):
            made.append(stripped)
        else:
            made.append(f"<p>{stripped.replace(chr(10), '<br>')}</p>")
    return "\n\n".join(made)


def _caption(inner: str) -> str:
    picture = re.search(r"(<a\b.*?</a>|<img\b[^>]*>)", inner, re.S | re.I)
    if picture is None:
        return inner
    words = inner.replace(picture[0], "", 1).strip()
    return f"\n\n<figure>{picture[0]}<figcaption>{words}</figcaption></figure>\n\n"


def _gallery(options: str, attachments: Mapping[str, str], losses: dict[str, None]) -> str:
    found = _IDS.search(options)
    keys = [key.strip() for key in found[1].split(",")] if found else []
    pictures = [attachments[key] for key in keys if key in attachments]
    if len(pictures) < len(keys) or not keys:
        losses["A gallery shows pictures that the file does not name."] = None
    return (
        "\n\n"
        + "\n\n".join(f'<p><img src="{address}" alt=""></p>' for address in pictures)
        + "\n\n"
    )


def _media(kind: str, options: str, losses: dict[str, None]) -> str:
    found = _ADDRESS.search(options)
    if found is None:
        losses[f"A {kind.lower()} names no address."] = None
        return ""
    return f'\n\n<p><a href="{found[1]}">{found[1]}</a></p>\n\n'


# --- Before Markdown is made -----------------------------------------------------------------------------


def _prepare(soup: BeautifulSoup, losses: dict[str, None]) -> None:
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        if comment.strip() == "nextpage":
            comment.replace_with(soup.new_tag("hr"))
        else:
            comment.extract()
    _drop(soup, losses)
    for element in soup.find_all(["iframe", "embed"]):
        _replace_by_link(soup, element, "An embedded page is a link now.", losses)
    for element in soup.find_all(["video", "audio"]):
        sources = [element, *element.find_all("source")]
        element["src"] = next((s["src"] for s in sources if s.get("src")), "")
        _replace_by_link(soup, element, f"A {element.name} is a link now.", losses)
    for element in soup.find_all("legend"):
        element.name = "p"
        element.wrap(soup.new_tag("strong"))
    if any(_number(cell.get("rowspan")) > 1 for cell in soup.find_all(["td", "th"])):
        losses["A table's cell spans rows; it stands in the first of them."] = None


def _drop(soup: BeautifulSoup, losses: dict[str, None]) -> None:
    for name, words in _DROPPED.items():
        for element in soup.find_all(name):
            if words:
                losses[f"Left out: {words}."] = None
            if name == "form":
                element.unwrap()  # what is written between the fields stays
            else:
                element.decompose()


def _replace_by_link(
    soup: BeautifulSoup, element: Tag, words: str, losses: dict[str, None]
) -> None:
    address = str(element.get("src") or "")
    losses[words] = None
    if not address:
        element.decompose()
        return
    if address.startswith("//"):
        address = f"https:{address}"
    link = soup.new_tag("a", href=address)
    link.string = str(element.get("title") or address)
    paragraph = soup.new_tag("p")
    paragraph.append(link)
    element.replace_with(paragraph)


def _number(value: Any) -> int:
    text = str(value or "")
    return int(text) if text.isdecimal() else 1


# --- Markdown ------------------------------------------------------------------------------------------


class _Converter(MarkdownConverter):
    """The library's converter, with the elements that it passes over."""

    def __init__(self, *, lead_on: Callable[[str], str], losses: dict[str, None]) -> None:
        super().__init__(
            heading_style=ATX,
            bullets="-",
            strong_em_symbol="*",
            newline_style=BACKSLASH,
            autolinks=False,  # `</v.mp4>` would be none: CommonMark wants a scheme
            code_language_callback=_language_of,
            escape_misc=True,
        )
        self._lead_on = lead_on
        self._losses = losses

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """A link, by where it leads now; the text alone where its scheme is none that we show."""
        address = str(el.get("href") or "").strip()
        if address and not self._is_shown(address):
            return text
        if address:
            el["href"] = self._lead_on(address)
        library: Any = super()
        made: str = library.convert_a(el, text, parent_tags)
        return made

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """A picture, also where links or headings stand around it."""
        address = str(el.get("src") or el.get("data-src") or "").strip()
        if not address or address.startswith("data:"):
            self._losses["Left out: a picture that is written into the text itself."] = None
            return ""
        if not self._is_shown(address):
            return ""
        title = str(el.get("title") or "")
        words = " ".join(str(el.get("alt") or "").split()).replace("[", "\\[").replace("]", "\\]")
        named = ' "{}"'.format(title.replace('"', "'")) if title else ""
        return f"![{words}]({_in_brackets(self._lead_on(address))}{named})"

    def convert_figure(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{text.strip()}\n\n"

    def convert_figcaption(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        words = text.strip()
        return f"\n\n*{words}*\n\n" if words else ""

    def convert_dl(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return f"\n\n{text.strip()}\n\n"

    def convert_dt(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        words = " ".join(text.split())
        return f"\n\n**{words}**\n\n" if words else ""

    def convert_dd(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        words = text.strip().replace("\n", "\n  ")
        return f"\n- {words}\n" if words else ""

    def convert_q(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return f"“{text}”"

    def convert_sub(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return text.translate(_SUB)

    def convert_sup(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return text.translate(_SUP)

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return self._cell(el, text)

    def convert_th(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return self._cell(el, text)

    def _cell(self, el: Tag, text: str) -> str:
        words = _BARE_BAR.sub(r"\\|", " ".join(text.split()))
        return f" {words} |" + "  |" * (_number(el.get("colspan")) - 1)

    def _is_shown(self, address: str) -> bool:
        try:
            scheme = urlsplit(address).scheme.lower()
        except ValueError:
            return False
        if scheme in _KEPT_SCHEMES:
            return True
        self._losses[f"A link of the kind “{scheme}:” is text now."] = None
        return False


_SUP: Final = str.maketrans("0123456789+-=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ")
_SUB: Final = str.maketrans("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎")


def _in_brackets(address: str) -> str:
    return f"<{address}>" if re.search(r"[\s()]", address) else address


def _language_of(element: Tag) -> str:
    """The language that a block of code says of itself, in the ways that highlighters write it."""
    code = element.find("code")
    for one in (element, code):
        if isinstance(one, Tag):
            names: Any = one.get("class") or []
            found = _LANGUAGE.search(names if isinstance(names, str) else " ".join(names))
            if found:
                return found[1]
    return ""


def _tidy(markdown: str) -> str:
    """Without line breaks that break nothing, and with one blank line between blocks."""
    lines: list[str] = []
    fence = ""
    for raw in markdown.split("\n"):
        marks = raw.lstrip()[:3]
        if marks == "```" and not (fence and raw.strip() != "```"):
            fence = "" if fence else marks
            lines.append(raw.rstrip())
            continue
        if fence:
            lines.append(raw)
            continue
        line = raw.rstrip()
        if lines and lines[-1].endswith("\\"):
            line = line.lstrip()
            if not line or line == "\\":  # a break before a block's end
                lines[-1] = lines[-1][:-1].rstrip()
        if line == "\\" or (not line and (not lines or not lines[-1])):
            continue
        lines.append(line)
    text = "\n".join(lines).strip("\n").removesuffix("\\").rstrip()
    return f"{text}\n" if text else ""
