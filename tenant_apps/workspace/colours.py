"""Colours that can be read: contrast by WCAG 2.2's formula, and the nearest colour that has enough.

Lightness is changed in OKLCH (https://bottosson.github.io/posts/oklab/), in which a colour that is made
lighter or darker stays the same colour to the eye.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import ValidationError

# WCAG 2.2, success criterion 1.4.3: text against what it stands on.
NEEDED: Final = 4.5
# What text stands on, in tokens.css and the themes: a test compares them. Lightness, chroma, hue.
LIGHT_PAPERS: Final = (
    (0.985, 0.004, 95.0),
    (1.0, 0.0, 0.0),
    (0.965, 0.006, 95.0),
    (0.972, 0.012, 88.0),
    (0.99, 0.006, 88.0),
    (0.945, 0.016, 88.0),
)
DARK_PAPERS: Final = (
    (0.18, 0.014, 268.0),
    (0.215, 0.016, 268.0),
    (0.155, 0.013, 268.0),
    (0.25, 0.018, 268.0),
    (0.175, 0.006, 70.0),
    (0.205, 0.008, 70.0),
    (0.15, 0.006, 70.0),
    (0.245, 0.009, 70.0),
)
# The house's own, as hexadecimal: what a form begins with.
HOUSE: Final = "#155e41"

_HEX = re.compile(r"\A#[0-9a-f]{6}\Z")
_STEP: Final = 0.004
_IN_GAMUT: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Oklch:
    """Lightness from 0 to 1, chroma from 0 to about 0.37, hue in degrees."""

    lightness: float
    chroma: float
    hue: float


@dataclass(frozen=True, slots=True)
class Pair:
    """One colour by day and by night, as `#rrggbb`."""

    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class Palette:
    """What a stylesheet needs of one colour."""

    face: Pair
    hover: Pair
    on_face: Pair
    soft: Pair
    line: Pair
    hue: float


def check_colour(colour: str) -> str:
    """The colour in lower case. Raises ValidationError where it is none: it goes into a stylesheet."""
    tidy = colour.strip().lower()
    if not _HEX.match(tidy):
        raise ValidationError("Write a colour as #rrggbb, as #155e41.", code="colour")
    return tidy


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours, from 1 to 21
    (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def least_contrast(colour: str, papers: tuple[str, ...]) -> float:
    """The contrast with the worst of what it may stand on."""
    return min(contrast(colour, paper) for paper in papers)


def light_papers(colour: str) -> tuple[str, ...]:
    """What text of this colour stands on by day: the themes' papers, and its own pale shade."""
    papers = tuple(from_oklch(Oklch(*paper)) for paper in LIGHT_PAPERS)
    return (*papers, _soft(to_oklch(colour)).light)


def dark_papers(colour: str) -> tuple[str, ...]:
    """The same by night."""
    papers = tuple(from_oklch(Oklch(*paper)) for paper in DARK_PAPERS)
    return (*papers, _soft(to_oklch(colour)).dark)


def readable_as_text(colour: str) -> str:
    """The colour itself where text of it can be read by day, or the nearest that can."""
    return _darkened(colour)


def readable_under_text(colour: str) -> str:
    """The colour itself where some text can be read on it, or the nearest where it can.

    Between the lightest that takes white text and the darkest that takes dark text lies a narrow band.
    """
    if text_contrast(colour) >= NEEDED:
        return colour
    start = to_oklch(colour)
    for step in range(1, round(1 / _STEP)):
        for sign in (-1, 1):
            near = from_oklch(
                Oklch(_within(start.lightness + sign * step * _STEP), start.chroma, start.hue)
            )
            if text_contrast(near) >= NEEDED:
                return near
    return HOUSE


def text_on(colour: str) -> str:
    """The better of the two colours of text: nearly white, or a dark shade of the colour itself."""
    return max(_texts(colour), key=lambda text: contrast(text, colour))


def text_contrast(colour: str) -> float:
    """The contrast of the better of both."""
    return max(contrast(text, colour) for text in _texts(colour))


def palette_of(colour: str) -> Palette:
    """What links, buttons and badges need, by day and by night. Everything in it can be read on
    everything it stands on."""
    by_day = to_oklch(colour)
    by_night = _lightened(
        from_oklch(Oklch(max(by_day.lightness, 0.78), min(by_day.chroma * 1.1, 0.15), by_day.hue))
    )
    night = to_oklch(by_night)
    face = Pair(readable_as_text(colour), by_night)
    return Palette(
        face=face,
        hover=Pair(
            from_oklch(
                Oklch(_within(to_oklch(face.light).lightness - 0.06), by_day.chroma, by_day.hue)
            ),
            from_oklch(Oklch(_within(night.lightness + 0.06), night.chroma, night.hue)),
        ),
        on_face=Pair(text_on(face.light), text_on(face.dark)),
        soft=_soft(by_day),
        line=Pair(
            from_oklch(Oklch(0.85, min(by_day.chroma, 0.06), by_day.hue)),
            from_oklch(Oklch(0.42, min(by_day.chroma, 0.07), by_day.hue)),
        ),
        hue=by_day.hue,
    )


def to_oklch(colour: str) -> Oklch:
    """A colour `#rrggbb` in OKLCH."""
    red, green, blue = (_linear(channel) for channel in _channels(colour))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return Oklch(lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360)


def from_oklch(colour: Oklch) -> str:
    """The colour as `#rrggbb`; where sRGB has none so strong, the strongest of its lightness and hue."""
    chroma = colour.chroma
    channels = _to_linear(colour.lightness, chroma, colour.hue)
    if not _fits(channels):
        low, high = 0.0, chroma
        for _ in range(20):
            chroma = (low + high) / 2
            low, high = (
                (chroma, high)
                if _fits(_to_linear(colour.lightness, chroma, colour.hue))
                else (low, chroma)
            )
        channels = _to_linear(colour.lightness, low, colour.hue)
    return "#" + "".join(f"{round(_gamma(_within(channel)) * 255):02x}" for channel in channels)


def _soft(colour: Oklch) -> Pair:
    return Pair(
        from_oklch(Oklch(0.955, min(colour.chroma, 0.022), colour.hue)),
        from_oklch(Oklch(0.29, min(colour.chroma, 0.035), colour.hue)),
    )


def _darkened(colour: str) -> str:
    papers = light_papers(colour)
    start, near = to_oklch(colour), colour
    lightness = start.lightness
    while least_contrast(near, papers) < NEEDED and lightness > 0:
        lightness -= _STEP
        near = from_oklch(Oklch(_within(lightness), start.chroma, start.hue))
    return near


def _lightened(colour: str) -> str:
    papers = dark_papers(colour)
    start, near = to_oklch(colour), colour
    lightness = start.lightness
    while least_contrast(near, papers) < NEEDED and lightness < 1:
        lightness += _STEP
        near = from_oklch(Oklch(_within(lightness), start.chroma, start.hue))
    return near


def _texts(colour: str) -> tuple[str, str]:
    seen = to_oklch(colour)
    return (
        from_oklch(Oklch(0.99, 0.004, 95.0)),
        from_oklch(Oklch(0.2, min(seen.chroma, 0.03), seen.hue)),
    )


def _luminance(colour: str) -> float:
    """Relative luminance (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    red, green, blue = (_linear(channel) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _linear(channel: float) -> float:
    is_low = channel <= 0.04045  # noqa: PLR2004 - the formula's own number, as those around it
    return channel / 12.92 if is_low else ((channel + 0.055) / 1.055) ** 2.4


def _gamma(channel: float) -> float:
    is_low = channel <= 0.0031308  # noqa: PLR2004 - the formula's own number
    return channel * 12.92 if is_low else 1.055 * channel ** (1 / 2.4) - 0.055


def _to_linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _fits(channels: tuple[float, float, float]) -> bool:
    return all(-_IN_GAMUT <= channel <= 1 + _IN_GAMUT for channel in channels)


def _within(value: float) -> float:
    return min(1.0, max(0.0, value))
