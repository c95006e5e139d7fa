"""Colours that can be read: WCAG's formula, the papers of our stylesheets, the nearest colour."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from tenant_apps.workspace import colours

CSS = Path(settings.BASE_DIR) / "static/css"
COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
PAPER = re.compile(
    r"--(?:paper|surface|surface-sunken|surface-raised): light-dark\(oklch\(([^)]+)\), oklch\(([^)]+)\)\)"
)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.478),  # the grey that is famous for failing by a hair
        ("#767676", "#ffffff", 4.542),
        ("#ff0000", "#ffffff", 3.998),
        ("#0000ff", "#ffffff", 8.592),
    ],
)
def test_contrast_is_wcags(one: str, other: str, ratio: float) -> None:
    assert colours.contrast(one, other) == pytest.approx(ratio, abs=0.001)
    assert colours.contrast(other, one) == colours.contrast(one, other)


def test_papers_are_those_of_the_stylesheets() -> None:
    light, dark = set(), set()
    for sheet in (CSS / "tokens.css", *(CSS / "themes").glob("*.css")):
        for by_day, by_night in PAPER.findall(sheet.read_text()):
            light.add(tuple(float(part) for part in by_day.split()))
            dark.add(tuple(float(part) for part in by_night.split()))
    assert light == set(colours.LIGHT_PAPERS)
    assert dark == set(colours.DARK_PAPERS)


@given(COLOURS)
def test_every_palette_can_be_read_by_day_and_by_night(colour: str) -> None:
    palette = colours.palette_of(colour)
    for text, papers in (
        (palette.face.light, colours.light_papers(colour)),
        (palette.face.dark, colours.dark_papers(colour)),
    ):
        assert colours.least_contrast(text, papers) >= colours.NEEDED
    for face, text in (
        (palette.face.light, palette.on_face.light),
        (palette.face.dark, palette.on_face.dark),
        (palette.hover.light, palette.on_face.light),
        (palette.hover.dark, palette.on_face.dark),
    ):
        assert colours.contrast(face, text) >= colours.NEEDED


@given(COLOURS)
def test_every_mended_colour_can_be_read(colour: str) -> None:
    assert colours.text_contrast(colours.readable_under_text(colour)) >= colours.NEEDED
    mended = colours.readable_as_text(colour)
    assert colours.least_contrast(mended, colours.light_papers(colour)) >= colours.NEEDED


@given(COLOURS)
def test_colour_that_can_be_read_stays(colour: str) -> None:
    if colours.text_contrast(colour) >= colours.NEEDED:
        assert colours.readable_under_text(colour) == colour
    if colours.least_contrast(colour, colours.light_papers(colour)) >= colours.NEEDED:
        assert colours.readable_as_text(colour) == colour


@given(COLOURS)
def test_oklch_leads_back(colour: str) -> None:
    again = colours.from_oklch(colours.to_oklch(colour))
    for start in (1, 3, 5):
        assert abs(int(again[start : start + 2], 16) - int(colour[start : start + 2], 16)) <= 1


@pytest.mark.parametrize("text", ["", "red", "#fff", "#12345g", "#123456;}", "#1234567", "url(x)"])
def test_what_is_no_colour(text: str) -> None:
    with pytest.raises(ValidationError, match="#rrggbb"):
        colours.check_colour(text)
