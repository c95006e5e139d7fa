"""The bell and the webhooks' pages in a real browser: the strict policy, both looks, a phone."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tenant_apps.articles import commenting
from tests.browser.conftest import (
    Place,
    Street,
    Visit,
    VisitMaker,
    _answers,
    _environment,
    _start,
    _stop,
    _wait_for,
    free_port,
)
from tests.browser.test_account import WINDOWS, log_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OWNER = "owner@acme.example"
# Nothing is sent there: the worker sleeps, and the webhook is gone before it wakes.
RECEIVER = "https://1.1.1.1/hooks"


@pytest.fixture
def living(street: Street, worker_id: str) -> Iterator[Place]:
    """The same workspaces under uvicorn, which keeps streams open."""
    port = free_port()
    folder = street.mail_folder.parent
    database = urlsplit(street.database_url).path.lstrip("/")
    environment = _environment(database, port, folder, worker_id)
    arguments = ["-m", "uvicorn", "config.asgi:application", f"--port={port}", "--lifespan=off"]
    server = _start(arguments, environment, folder / "live.log")
    try:
        _wait_for(lambda: _answers(port), f"uvicorn; see {folder}/live.log")
        yield Place(port, street.mail_folder)
    finally:
        _stop(server)


def _comment(visit: Visit, place: Place, name: str) -> None:
    page = visit.page
    page.goto(place.url("/articles/", "acme"))
    page.locator(".card__title a").first.click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Your e-mail address").fill("vera@example.com")
    page.get_by_label("Your comment").fill(f"Said by {name}")
    # Whoever sends faster is taken for a program.
    page.wait_for_timeout(commenting.FASTEST.total_seconds() * 1000 + 1000)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("once a moderator has read it")).to_be_visible()


def _add_webhook(visit: Visit, street: Street) -> None:
    page = visit.page
    page.goto(street.url("/account/webhooks/", "acme"))
    page.get_by_label("Address").fill(RECEIVER)
    page.get_by_label("Description").fill("The shop's till")
    page.get_by_label("Stock fell low").check()
    page.get_by_role("button", name="Add the webhook").click()
    expect(page.get_by_text("Copy the secret now")).to_be_visible()


def test_bell_rings_in_the_open_page(living: Place, visit: VisitMaker) -> None:
    editor = visit()
    log_in(editor, living)  # type: ignore[arg-type]  # a Place is enough for it
    expect(editor.page.locator("#bell")).to_be_visible()
    stranger = visit()
    with editor.page.expect_response(lambda answer: "/notifications/bell/" in answer.url):
        _comment(stranger, living, "Vera")
    expect(editor.page.locator("#toasts")).to_contain_text("Vera has commented")
    expect(editor.page.locator(".bell__count")).to_be_visible()
    editor.screenshot("1-rings")
    editor.page.locator("#bell").click()
    editor.page.get_by_role("link", name="Vera has commented").first.click()
    expect(editor.page.get_by_role("heading", level=1)).to_contain_text("Comments")


@pytest.mark.parametrize(("theme", "phone"), WINDOWS)
def test_pages_look_right(street: Street, visit: VisitMaker, theme: str, phone: bool) -> None:
    olga = visit(theme=theme, phone=phone)
    log_in(olga, street, OWNER)
    stranger = visit()
    _comment(stranger, street, f"Vera {theme} {phone}")
    with street.worker_asleep():
        _add_webhook(olga, street)
        _look(olga, "webhooks")
        olga.page.locator(".rows__link").first.click()
        olga.page.get_by_role("button", name="Send a test event").click()
        expect(olga.page.get_by_text("webhook.test")).to_be_visible()
        _look(olga, "webhook")
        olga.page.get_by_role("link", name="webhook.test").click()
        _look(olga, "delivery")
        for name, path in (
            ("notifications", "/account/notifications/"),
            ("choices", "/account/notifications/choices/"),
        ):
            olga.page.goto(street.url(path, "acme"))
            _look(olga, name)
        olga.page.goto(street.url("/account/webhooks/", "acme"))
        olga.page.locator(".rows__link").first.click()
        olga.page.on("dialog", lambda dialog: dialog.accept())
        olga.page.get_by_role("button", name="Delete").click()
        expect(olga.page.get_by_text("The webhook is deleted")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible(street: Street, visit: VisitMaker, theme: str) -> None:
    olga = visit(theme=theme, for_axe=True)
    log_in(olga, street, OWNER)
    with street.worker_asleep():
        _add_webhook(olga, street)
        assert olga.accessibility_faults() == [], "webhooks"
        olga.page.locator(".rows__link").first.click()
        assert olga.accessibility_faults() == [], "webhook"
        olga.page.on("dialog", lambda dialog: dialog.accept())
        olga.page.get_by_role("button", name="Delete").click()
        expect(olga.page.get_by_text("The webhook is deleted")).to_be_visible()
    for path in ("/account/notifications/", "/account/notifications/choices/"):
        olga.page.goto(street.url(path, "acme"))
        assert olga.accessibility_faults() == [], path


def _look(visit: Visit, name: str) -> None:
    width = visit.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, f"{name} is {width} pixels wider than the window"
    visit.screenshot(name)
