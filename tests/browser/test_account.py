"""One's account, and the page of the API, in a real browser: the strict policy, both looks, a phone."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Street, Visit, VisitMaker

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "open-the-front-door"  # seed_demo's
WINDOWS = [("light", False), ("dark", False), ("light", True), ("dark", True)]
PAGES = {
    "account": "/account/",
    "devices": "/account/devices/",
    "tokens": "/account/tokens/",
    "api": "/api/v1/docs/",
}


def log_in(visit: Visit, street: Street, email: str = "editor@acme.example") -> None:
    visit.page.goto(street.url("/account/login/", "acme"))
    visit.page.get_by_label("Email").fill(email)
    visit.page.get_by_label("Password").first.fill(PASSWORD)
    visit.page.get_by_role("button", name="Log in", exact=True).click()
    expect(visit.page.get_by_text("Your account").first).to_be_attached()


def test_new_token_is_shown_once_and_the_api_page_works(street: Street, visit: VisitMaker) -> None:
    ann = visit()
    log_in(ann, street)
    page = ann.page
    page.goto(street.url("/account/tokens/", "acme"))
    page.get_by_label("What is it for?").fill("Stock sync")
    page.get_by_label("Read articles, their categories and tags").check()
    page.get_by_role("button", name="Make the token").click()
    page.get_by_label("Password").first.fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Copy the token now")).to_be_visible()
    expect(page.locator(".token code")).to_contain_text("terrace_")
    ann.screenshot("1-token")
    page.goto(street.url("/api/v1/docs/", "acme"))
    # Swagger UI has drawn the document, and its button asks this very API.
    expect(page.get_by_text("/api/v1/me/", exact=True).first).to_be_visible()
    page.locator("#operations-me-me .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text("editor@acme.example")
    ann.screenshot("2-api")


@pytest.mark.parametrize(("theme", "phone"), WINDOWS)
def test_pages_look_right(street: Street, visit: VisitMaker, theme: str, phone: bool) -> None:
    ann = visit(theme=theme, phone=phone)
    log_in(ann, street)
    for name, path in PAGES.items():
        ann.page.goto(street.url(path, "acme"))
        if name == "api":
            expect(ann.page.get_by_text("/api/v1/me/", exact=True).first).to_be_visible()
        width = ann.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{name} is {width} pixels wider than the window"
        ann.screenshot(name)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_account_pages_are_accessible(street: Street, visit: VisitMaker, theme: str) -> None:
    ann = visit(theme=theme, for_axe=True)
    log_in(ann, street)
    for name in ("account", "devices", "tokens"):
        ann.page.goto(street.url(PAGES[name], "acme"))
        assert ann.accessibility_faults() == [], name
