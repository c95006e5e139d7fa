"""Writing, reading and talking about articles in a real browser, by day, by night and on a phone."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from config.management.commands.seed_demo import PASSWORD
from tenant_apps.workspace.demo import THEMES
from tests.browser.conftest import Street, Theme, Visit, VisitMaker

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def log_in(street: Street, opened: Visit, role: str) -> Page:
    demo = THEMES["acme"]
    people = {"owner": demo.owner_email} | {one.role: one.email for one in demo.people}
    page = opened.page
    page.goto(street.url("/account/login/?next=/desk/", "acme"))
    page.locator("input[name=login]").fill(people[role])
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/desk/")
    return page


def test_words_survive_a_closed_tab_and_another_writer(
    street: Street, visit: VisitMaker, tmp_path: Path
) -> None:
    opened = visit()
    page = log_in(street, opened, "owner")
    page.goto(street.url("/desk/new/", "acme"))
    page.get_by_label("Title").fill("Two at one table")
    page.locator("#id_body").fill("First paragraph.\n\nSecond paragraph.\n\nThird paragraph.")
    page.get_by_role("button", name="Save draft").click()
    page.wait_for_url(re.compile(r"/desk/[0-9a-f-]{36}/"))
    address = page.url
    page.locator("#id_body").fill("First, by the owner.\n\nSecond paragraph.\n\nThird paragraph.")
    expect(page.locator("#kept-state")).to_contain_text("Kept for you at")
    page.goto("about:blank")
    page.goto(address)
    expect(page.get_by_text("which were not saved")).to_be_visible()
    assert "First, by the owner." in page.locator("#id_body").input_value()
    opened.screenshot("unsaved-words")

    other = visit(theme="dark")
    second = log_in(street, other, "editor")
    second.goto(address)
    second.locator("#id_body").fill(
        "First paragraph.\n\nSecond paragraph.\n\nThird, by the editor."
    )
    second.get_by_role("button", name="Save draft").click()
    expect(second.get_by_text("Saved.")).to_be_visible()

    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_role("heading", name="Put both together")).to_be_visible()
    opened.screenshot("merge")
    page.get_by_role("button", name="Save both").click()
    expect(page.get_by_text("Saved, with the words of both.")).to_be_visible()
    text = page.locator("#id_body").input_value()
    assert text == "First, by the owner.\n\nSecond paragraph.\n\nThird, by the editor."
    page.get_by_role("link", name="History").click()
    opened.screenshot("history")
    page.locator(".rows__link").first.click()
    opened.screenshot("revision")

    file = tmp_path / "pot.png"
    Image.new("RGB", (1200, 700), (180, 90, 40)).save(file)
    page.goto(address)
    page.locator("#picture-file").set_input_files(file)
    expect(page.locator("#id_body")).to_have_value(re.compile(r"!\[\]\(/media/pictures/"))
    page.locator("#id_cover_file").set_input_files(file)
    page.get_by_role("button", name="Set the cover").click()
    expect(page.get_by_text("The cover is being made")).to_be_visible()
    expect(page.get_by_text("which were not saved")).to_be_visible()
    opened.screenshot("editor")
    page.get_by_role("button", name="Save and publish").click()
    page.wait_for_url("**/articles/two-at-one-table/")
    opened.screenshot("article-of-its-writer")


@pytest.mark.parametrize(
    ("theme", "phone"), [("light", False), ("dark", False), ("light", True), ("dark", True)]
)
def test_pages_of_readers(street: Street, visit: VisitMaker, theme: Theme, phone: bool) -> None:
    opened = visit(theme=theme, phone=phone, for_axe=True)
    page = opened.page
    page.goto(street.url("/articles/", "acme"))
    faults = opened.accessibility_faults()
    page.get_by_role("searchbox").fill("kilm clay")
    page.get_by_role("button", name="Search").click()
    opened.screenshot("search")
    faults += opened.accessibility_faults()
    page.goto(street.url("/articles/", "acme"))
    page.locator(".card__title a").first.click()
    opened.screenshot("article")
    faults += opened.accessibility_faults()
    page.goto(street.url("/subscription/", "acme"))
    opened.screenshot("subscription")
    faults += opened.accessibility_faults()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    # The levels of the headings in a text are its writer's.
    assert [fault for fault in faults if not fault.startswith("heading-order")] == []


def test_comment_from_a_visitor_to_the_page(street: Street, visit: VisitMaker) -> None:
    opened = visit(phone=True)
    page = opened.page
    page.goto(street.url("/articles/", "acme"))
    page.locator(".card__title a").first.click()
    page.get_by_label("Your name").fill("Vera Visitor")
    page.get_by_label("Your e-mail address").fill("vera@example.com")
    page.get_by_label("Your comment").fill("I tried it.\n\nIt works.")
    page.wait_for_timeout(3500)  # a person reads the form before they send it
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("once a moderator has read it")).to_be_visible()
    article = page.url
    editor = visit(theme="dark")
    desk = log_in(street, editor, "editor")
    desk.goto(street.url("/desk/comments/", "acme"))
    editor.screenshot("queue")
    desk.get_by_role("button", name="Show").first.click()
    page.goto(article)
    expect(page.get_by_text("It works.")).to_be_visible()
    opened.screenshot("comment")
