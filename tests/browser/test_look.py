"""Trying out a look and publishing it in a real browser: every theme by day, by night and on a phone."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.browser.conftest import Street, Theme, VisitMaker
from tests.browser.test_articles import log_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOOK = "/account/workspace/look/"
COLOURS = {
    "house": ("#155e41", "#155e41"),
    "gazette": ("#7a1f1f", "#8c1d18"),
    "window": ("#1f3a93", "#1f3a93"),
}
THEMES: list[Theme] = ["light", "dark"]


def logo(folder: Path) -> Path:
    """A wide logo with a clear ground."""
    image = Image.new("RGBA", (480, 120), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((4, 4, 116, 116), fill="#b3541e")
    draw.rectangle((140, 40, 476, 80), fill="#b3541e")
    written = io.BytesIO()
    image.save(written, "PNG")
    path = folder / "logo.png"
    path.write_bytes(written.getvalue())
    return path


def save_look(page: Page, street: Street, theme: str) -> None:
    page.goto(street.url(LOOK, "acme"))
    page.locator(f"input[name=theme][value={theme}]").check()
    brand, accent = COLOURS[theme]
    page.locator("#id_brand").fill(brand)
    page.locator("#id_accent").fill(accent)
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_text("Saved in the draft.")).to_be_visible()


@pytest.mark.parametrize("look", list(COLOURS))
def test_look_is_tried_out_and_published(
    street: Street, visit: VisitMaker, tmp_path: Path, look: str
) -> None:
    owner, stranger = visit(), visit()
    page = log_in(street, owner, "owner")
    save_look(page, street, look)
    page.get_by_label("Picture", exact=True).set_input_files(logo(tmp_path))
    page.get_by_role("button", name="Use this logo").click()
    expect(page.get_by_alt_text("The logo")).to_be_visible()
    owner.screenshot("form")
    page.get_by_role("button", name="Look at it on the site").click()
    expect(page.get_by_role("region", name="Preview")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-look", look)
    owner.screenshot("preview")
    stranger.page.goto(street.url("/", "acme"))
    expect(stranger.page.locator(".site-header__logo")).to_have_count(0)

    page.get_by_role("region", name="Preview").get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Published: this is what everybody sees now.")).to_be_visible()
    stranger.page.goto(street.url("/", "acme"))
    expect(stranger.page.locator("html")).to_have_attribute("data-look", look)
    expect(stranger.page.locator(".site-header__logo")).to_be_visible()
    for path in ("/", "/articles/", "/articles/why-our-handles-are-pulled-not-cut/", "/products/"):
        name = path.strip("/").split("/")[-1] or "home"
        for theme in THEMES:
            for phone in (False, True):
                looked_at = visit(theme=theme, phone=phone)
                looked_at.page.goto(street.url(path, "acme"))
                width = looked_at.page.evaluate("document.documentElement.scrollWidth")
                assert width <= (390 if phone else 1280), (path, theme, phone)
                looked_at.screenshot(f"{name}-{theme}{'-phone' if phone else ''}")
            checked = visit(theme=theme, for_axe=True)
            checked.page.goto(street.url(path, "acme"))
            assert checked.accessibility_faults() == [], (path, theme)

    # As it was, for the tests that come after.
    page.goto(street.url(LOOK, "acme"))
    page.get_by_role("button", name="Remove the logo").click()
    save_look(page, street, "house")
    page.get_by_role("button", name="Publish").click()


def test_colour_that_cannot_be_read_is_mended_by_a_button(
    street: Street, visit: VisitMaker
) -> None:
    opened = visit(phone=True)
    page = log_in(street, opened, "owner")
    page.goto(street.url(LOOK, "acme"))
    page.get_by_label("Links and buttons").fill("#ffcc00")
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_text("The nearest colour that can be read is #846800.")).to_be_visible()
    opened.screenshot("refused")
    # The browser's own word for a 400.
    opened.complaints.clear()
    page.get_by_role("button", name="Use the nearest colours that can be read").click()
    expect(page.get_by_label("Links and buttons")).to_have_value("#846800")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Discard").first.click()
    expect(page.get_by_text("The draft is gone; the site stays as it is.")).to_be_visible()


@pytest.mark.parametrize("theme", THEMES)
def test_rooms_of_the_owner(street: Street, visit: VisitMaker, theme: Theme) -> None:
    opened, checked = visit(theme=theme), visit(theme=theme, for_axe=True)
    phone = visit(theme=theme, phone=True)
    for one in (opened, checked, phone):
        log_in(street, one, "owner")
    for room in ("", "look/", "menu/", "home/", "mail/", "closing/"):
        address = street.url(f"/account/workspace/{room}", "acme")
        for one in (opened, checked, phone):
            one.page.goto(address)
        assert checked.accessibility_faults() == [], room
        opened.screenshot(room.strip("/") or "settings")
        phone.screenshot(f"{room.strip('/') or 'settings'}-phone")
        width = phone.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, room


def test_site_is_closed_and_opened(street: Street, visit: VisitMaker) -> None:
    opened, stranger = visit(), visit(theme="dark", phone=True)
    page = log_in(street, opened, "owner")
    page.goto(street.url("/account/workspace/closing/", "acme"))
    page.get_by_label("Message").fill("We count what is in the kiln.\n\nBack on Monday.")
    page.get_by_role("button", name="Close the site").click()
    expect(page.get_by_text("The site is closed for visitors.").first).to_be_visible()
    try:
        stranger.complaints.clear()
        answer = stranger.page.goto(street.url("/", "acme"))
        assert answer is not None
        assert answer.status == 503
        expect(stranger.page.get_by_text("Back on Monday.")).to_be_visible()
        stranger.screenshot("closed")
        # The browser's own word for a 503.
        stranger.complaints.clear()
    finally:
        page.get_by_role("button", name="Open the site").click()
    expect(page.get_by_text("The site is open.")).to_be_visible()
