"""The faces that a tenant may choose from: served by ourselves, under the Open Font License.

What a stylesheet says of them is written here; nobody's words get into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SANS: Final = "var(--font-system-ui)"
_SERIF: Final = "var(--font-transitional)"


@dataclass(frozen=True, slots=True)
class Font:
    """One face.

    Args:
        family: the value of `font-family`.
        file: below static/, what a page fetches first; empty where the reader's machine has it.
        for_texts: it can be read at length; the others are for headings alone.
        has_serifs: long texts are set in it too.
    """

    name: str
    family: str
    file: str
    for_texts: bool = False
    has_serifs: bool = False


def _file(name: str) -> str:
    return f"vendor/fonts/{name}-latin-wght-normal.woff2"


FONTS: Final[Mapping[str, Font]] = {
    "bricolage-grotesque": Font(
        "Bricolage Grotesque", f'"Bricolage Grotesque", {_SANS}', _file("bricolage-grotesque")
    ),
    "hanken-grotesk": Font(
        "Hanken Grotesk",
        f'"Hanken Grotesk", "Hanken Fallback", {_SANS}',
        _file("hanken-grotesk"),
        for_texts=True,
    ),
    "source-serif-4": Font(
        "Source Serif 4",
        f'"Source Serif 4", {_SERIF}',
        _file("source-serif-4"),
        for_texts=True,
        has_serifs=True,
    ),
    "fraunces": Font("Fraunces", f'"Fraunces", {_SERIF}', _file("fraunces"), has_serifs=True),
    "playfair-display": Font(
        "Playfair Display",
        f'"Playfair Display", {_SERIF}',
        _file("playfair-display"),
        has_serifs=True,
    ),
    "newsreader": Font(
        "Newsreader",
        f'"Newsreader", {_SERIF}',
        _file("newsreader"),
        for_texts=True,
        has_serifs=True,
    ),
    "manrope": Font("Manrope", f'"Manrope", {_SANS}', _file("manrope"), for_texts=True),
    "space-grotesk": Font("Space Grotesk", f'"Space Grotesk", {_SANS}', _file("space-grotesk")),
    "atkinson-hyperlegible-next": Font(
        "Atkinson Hyperlegible Next",
        f'"Atkinson Hyperlegible Next", {_SANS}',
        _file("atkinson-hyperlegible-next"),
        for_texts=True,
    ),
    "system": Font("The reader's own", _SANS, "", for_texts=True),
}
