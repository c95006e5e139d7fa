"""Products' descriptions: HTML from shops' exports and editors, cleaned on the way in."""

import nh3

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
        "strong",
        "b",
        "em",
        "i",
        "u",
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
        "caption",
        "sup",
        "sub",
    ),
    *("dl", "dt", "dd", "small", "span", "div"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "th": {"colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
}


def clean_description(html: str) -> str:
    """What may be shown of it: text, lists, tables, links and pictures; no scripts, styles or
    frames.

    Cleaning twice changes nothing more. Links may lead to http, https and mailto.
    """
    return nh3.clean(
        html.replace("\x00", ""),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
        clean_content_tags={"script", "style"},
    ).strip()
