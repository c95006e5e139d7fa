"""What visitors see of a workspace besides its content: theme, colours, faces, header, menu, footer and home
page. One value, kept as JSON in the workspace's row, so that a page reads all of it with that row."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.urls import NoReverseMatch, reverse

from tenant_apps.workspace import colours
from tenant_apps.workspace.fonts import FONTS
from tenant_apps.workspace.models import check_one_line
from tenant_apps.workspace.themes import DEFAULT, THEMES

# Raised when the code makes another stylesheet of the same look: its address must change too.
STYLE_FORMAT: Final = 1
MAX_LINKS: Final = 8
MAX_BELOW: Final = 12
MAX_LABEL: Final = 40
MAX_TITLE: Final = 120
MAX_TEXT: Final = 5_000
MAX_FOOTER: Final = 2_000
MAX_ADDRESS: Final = 500
HEADERS: Final[Mapping[str, str]] = {
    "name": "The name",
    "logo": "The logo",
    "both": "The logo and the name",
}
# The pages of one's own that a menu and a button may lead to, with the section that marks them.
PAGES: Final[Mapping[str, tuple[str, str]]] = {
    "home": ("The home page", "workspace:home"),
    "articles": ("All articles", "articles:list"),
    "products": ("All products", "products:list"),
    "letters": ("Subscribe to letters", "articles:subscribe"),
}
CATEGORIES: Final[Mapping[str, str]] = {
    "article-category": "articles:category",
    "product-category": "products:category",
}
OUTSIDE: Final = "outside"
SECTIONS: Final[Mapping[str, str]] = {
    "hero": "Welcome",
    "articles": "Articles",
    "products": "Products",
    "text": "A text",
    "categories": "Categories",
    "letters": "Letters",
}
PRODUCTS_SHOWN: Final[Mapping[str, str]] = {
    "newest": "The newest products",
    "featured": "The featured products",
}
_OWN_PATH = re.compile(r"\A/(?![/\\])[^\s\\\"<>\x00-\x1f]*\Z")


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture in the tenant's folder, WebP, in two sizes; `small` is half as wide."""

    file: str
    small: str
    width: int
    height: int
    alt: str = ""


@dataclass(frozen=True, slots=True)
class MenuLink:
    """One link.

    Args:
        kind: of PAGES or CATEGORIES, or OUTSIDE.
        target: the category's slug, or the address outside.
        href: what stands in the page.
    """

    label: str
    kind: str
    target: str
    href: str
    children: tuple["MenuLink", ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the home page. What of it a kind has no use for is empty.

    Args:
        shows: for products, of PRODUCTS_SHOWN.
        button_href: a path of one's own, or an address outside.
    """

    kind: str
    is_on: bool = True
    title: str = ""
    text: str = ""
    button_label: str = ""
    button_href: str = ""
    shows: str = "newest"


@dataclass(frozen=True, slots=True)
class Look:
    """All of it. Empty colours and faces are the theme's own."""

    theme: str = DEFAULT
    brand: str = ""
    accent: str = ""
    heading_font: str = ""
    body_font: str = ""
    header: str = "name"
    shows_tagline: bool = False
    footer: str = ""
    logo: StoredPicture | None = None
    # A square PNG, made from the logo.
    icon: str = ""
    picture: StoredPicture | None = None
    menu: tuple[MenuLink, ...] = ()
    # None until an owner has ordered them.
    sections: tuple[Section, ...] | None = None

    @property
    def style_version(self) -> str:
        """The version in the stylesheet's address: another one for every other stylesheet, none where
        nothing differs from the house's."""
        if not self.has_style:
            return ""
        told = (STYLE_FORMAT, *self.style_facts)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:12]

    @property
    def style_facts(self) -> tuple[str, ...]:
        """All that a stylesheet is made of."""
        return (self.brand, self.accent, self.used_heading_font, self.used_body_font)

    @property
    def has_style(self) -> bool:
        house = THEMES[DEFAULT]
        return self.style_facts != ("", "", house.heading_font, house.body_font)

    @property
    def used_heading_font(self) -> str:
        return self.heading_font or THEMES[self.theme].heading_font

    @property
    def used_body_font(self) -> str:
        return self.body_font or THEMES[self.theme].body_font

    @property
    def files(self) -> set[str]:
        """The names of all the files that it shows."""
        pictures = [one for one in (self.logo, self.picture) if one is not None]
        names = {self.icon, *(one.file for one in pictures), *(one.small for one in pictures)}
        return names - {""}

    @property
    def ordered_sections(self) -> tuple[Section, ...]:
        """Every kind once: as the owner has ordered them, or as the theme does, with the rest off."""
        if self.sections is not None:
            return self.sections
        order = THEMES[self.theme].order
        shown = tuple(Section(kind) for kind in order)
        return (*shown, *(Section(kind, is_on=False) for kind in SECTIONS if kind not in order))


def read_look(kept: Mapping[str, Any] | None) -> Look:
    """The look that JSON says; what it leaves out, or an older release wrote otherwise, is the house's."""
    if not kept:
        return Look()
    known = {one.name for one in fields(Look)}
    values: dict[str, Any] = {name: kept[name] for name in kept if name in known}
    for name in ("logo", "picture"):
        values[name] = StoredPicture(**values[name]) if values.get(name) else None
    values["menu"] = tuple(_read_link(link) for link in values.get("menu", ()))
    sections = values.get("sections")
    if sections is not None:
        values["sections"] = tuple(Section(**one) for one in sections)
    if values.get("theme") not in THEMES:
        values["theme"] = DEFAULT
    for name in ("heading_font", "body_font"):
        if values.get(name) not in FONTS:
            values[name] = ""
    return Look(**values)


def write_look(look: Look) -> dict[str, Any]:
    """The look as JSON takes it."""
    return asdict(look)


def _read_link(link: Mapping[str, Any]) -> MenuLink:
    return MenuLink(**{**link, "children": tuple(_read_link(one) for one in link["children"])})


# --- What may be in it ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mended:
    """A colour that was changed so that it can be read."""

    field: str
    asked: str
    used: str


@dataclass(slots=True)
class _Findings:
    errors: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, error: ValidationError | str) -> None:
        self.errors.setdefault(name, []).extend(
            error.messages if isinstance(error, ValidationError) else [error]
        )


def changed_look(
    look: Look, changes: Mapping[str, Any], *, mends: bool = False
) -> tuple[Look, list[Mended]]:
    """The look with these changes.

    Args:
        changes: fields of `Look` but its files; `menu` as MenuLinks without href, `sections` as Sections.
        mends: take the nearest colour that can be read in place of one that can't.
    Returns:
        The look, and the colours that were mended.
    Raises:
        ValidationError: by field, with sentences.
    """
    values, found = dict(changes), _Findings()
    mended = _take_colours(values, found, mends=mends)
    _refuse_unknown(values, found)
    for name, check in (("menu", checked_menu), ("sections", checked_sections)):
        if values.get(name) is not None:
            try:
                values[name] = check(values[name])
            except ValidationError as error:
                found.add(name, error)
    if values.get("header", "name") != "name" and look.logo is None:
        found.add("header", "There is no logo yet. Send one, or show the name.")
    if found.errors:
        raise ValidationError(dict(found.errors))
    return replace(look, **values), mended


def _take_colours(values: dict[str, Any], found: _Findings, *, mends: bool) -> list[Mended]:
    mended = []
    for name in ("brand", "accent"):
        if name in values:
            try:
                values[name], change = _checked_colour(name, values[name], mends=mends)
            except ValidationError as error:
                found.add(name, error)
            else:
                mended += [change] if change else []
    return mended


def _refuse_unknown(values: Mapping[str, Any], found: _Findings) -> None:
    for name, choices in _CHOICES.items():
        if name in values and values[name] not in choices:
            offered = ", ".join(one for one in choices if one)
            found.add(name, f'"{values[name]}" is none of {offered}.')
    body = str(values.get("body_font", ""))
    if body in FONTS and not FONTS[body].for_texts:
        found.add("body_font", f"{FONTS[body].name} is for headings: it is hard to read at length.")
    if len(values.get("footer", "")) > MAX_FOOTER:
        found.add("footer", f"A footer has {MAX_FOOTER} characters at most.")


_CHOICES: Final[Mapping[str, Iterable[str]]] = {
    "theme": THEMES,
    "heading_font": ("", *FONTS),
    "body_font": ("", *FONTS),
    "header": HEADERS,
}


def _checked_colour(name: str, asked: str, *, mends: bool) -> tuple[str, Mended | None]:
    if not asked:
        return "", None
    colour = colours.check_colour(asked)
    if name == "accent":
        ratio = colours.least_contrast(colour, colours.light_papers(colour))
        nearest = colours.readable_as_text(colour)
        what = "Links of this colour have a contrast of"
    else:
        ratio = colours.text_contrast(colour)
        nearest = colours.readable_under_text(colour)
        what = "Text on this colour has a contrast of"
    if ratio >= colours.NEEDED:
        return ("" if colour == colours.HOUSE else colour), None
    if mends:
        return nearest, Mended(name, colour, nearest)
    # Rounded down: 4.49 is not enough, and must not be told as 4.5.
    raise ValidationError(
        f"{what} {int(ratio * 100) / 100:.2f} to 1 at most; {colours.NEEDED} is needed to be read "
        f"(WCAG 2.2, 1.4.3). The nearest colour that can be read is {nearest}.",
        code="contrast",
    )


def checked_menu(links: Iterable[MenuLink]) -> tuple[MenuLink, ...]:
    """The links with their addresses. Raises ValidationError."""
    top = tuple(links)
    if len(top) > MAX_LINKS:
        raise ValidationError(f"A menu has {MAX_LINKS} links at most; put some below others.")
    if any(len(link.children) > MAX_BELOW for link in top):
        raise ValidationError(f"{MAX_BELOW} links stand below another at most.")
    if any(below.children for link in top for below in link.children):
        raise ValidationError("A menu has one level below its links, and no second.")
    return tuple(
        replace(_checked_link(link), children=tuple(_checked_link(one) for one in link.children))
        for link in top
    )


def _checked_link(link: MenuLink) -> MenuLink:
    label = link.label.strip()
    if not label or len(label) > MAX_LABEL:
        raise ValidationError(f"A link has a name of 1 to {MAX_LABEL} characters.")
    check_one_line(label)
    return replace(link, label=label, href=href_of(link.kind, link.target))


def href_of(kind: str, target: str) -> str:
    """The address that a link leads to. Raises ValidationError."""
    if kind in PAGES:
        return reverse(PAGES[kind][1])
    if kind in CATEGORIES:
        try:
            return reverse(CATEGORIES[kind], args=[target])
        except NoReverseMatch as error:
            raise ValidationError("There is no such category. Choose another one.") from error
    if kind != OUTSIDE:
        raise ValidationError("Choose where the link leads.")
    return check_href(target, own=False)


def check_href(href: str, *, own: bool = True) -> str:
    """An address that a link may have: https, or (with `own`) a path of this site. No other scheme can
    run anything here. Raises ValidationError."""
    href = href.strip()
    if own and _OWN_PATH.match(href) and len(href) <= MAX_ADDRESS:
        return href
    sentence = "Write an address outside as https://example.com" + (
        ", or a page of this site as /articles/." if own else "."
    )
    try:
        parts = urlsplit(href)
        is_fine = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ValidationError(sentence) from error
    bad = re.search(r"[\s\\\"<>\x00-\x1f\x7f]", href)
    if not is_fine or bad or len(href) > MAX_ADDRESS or parts.username is not None:
        raise ValidationError(sentence)
    return href


def checked_sections(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Every kind once, in this order; what is left out stands at the end, switched off. Raises
    ValidationError."""
    kept: dict[str, Section] = {}
    for one in sections:
        if one.kind not in SECTIONS or one.kind in kept:
            raise ValidationError(
                f"The home page has each of {', '.join(SECTIONS)} once, and nothing else."
            )
        kept[one.kind] = _checked_section(one)
    for kind in SECTIONS:
        kept.setdefault(kind, Section(kind, is_on=False))
    return tuple(kept.values())


def _checked_section(one: Section) -> Section:
    name = SECTIONS[one.kind]
    for text, longest in ((one.title, MAX_TITLE), (one.button_label, MAX_LABEL)):
        check_one_line(text)
        if len(text) > longest:
            raise ValidationError(f"{name}: {longest} characters at most.")
    if len(one.text) > MAX_TEXT:
        raise ValidationError(f"{name}: a text has {MAX_TEXT} characters at most.")
    if one.shows not in PRODUCTS_SHOWN:
        raise ValidationError(f"{name}: choose one of {', '.join(PRODUCTS_SHOWN)}.")
    if bool(one.button_label) != bool(one.button_href):
        raise ValidationError(f"{name}: a button has words and an address, or neither.")
    if one.button_href:
        return replace(one, button_href=check_href(one.button_href))
    return one
