"""The themes that a tenant may choose from. A theme is a stylesheet over the house's, in a layer of its own,
its choice of templates for the home page, and the faces and the order that it begins with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Theme:
    """One theme.

    Args:
        description: what an owner reads beside its name.
        stylesheet: below static/; empty for the house's own look.
        heading_font, body_font: of `fonts.FONTS`, where the owner has chosen none.
        order: the sections of the home page that it shows, until an owner orders them.
    """

    name: str
    description: str
    stylesheet: str
    heading_font: str
    body_font: str
    order: tuple[str, ...]


DEFAULT: Final = "house"
THEMES: Final[Mapping[str, Theme]] = {
    "house": Theme(
        name="House",
        description="Quiet and friendly: cards with round corners, much air. Good for a bit of everything.",
        stylesheet="",
        heading_font="bricolage-grotesque",
        body_font="hanken-grotesk",
        order=("hero", "articles", "products"),
    ),
    "gazette": Theme(
        name="Gazette",
        description="A paper to read: a masthead, lines in place of boxes, serifs, columns.",
        stylesheet="css/themes/gazette.css",
        heading_font="playfair-display",
        body_font="newsreader",
        order=("hero", "articles", "products"),
    ),
    "window": Theme(
        name="Shop window",
        description="Goods first: a band in your colour, large pictures edge to edge, clear letters.",
        stylesheet="css/themes/window.css",
        heading_font="space-grotesk",
        body_font="manrope",
        order=("hero", "products", "articles"),
    ),
}
