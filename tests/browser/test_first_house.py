"""The first day of a customer: signs up, moves in with real goods, publishes, and is alone with it."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Street, Visit, VisitMaker
from tests.browser.test_signup import prove_address

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GOODS = Path(__file__).resolve().parent.parent / "data" / "shopify-jewelery.csv"
PASSWORD = "nine red swingline staplers"
# The shop's pictures are elsewhere; this stands in for them.
PICTURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3" '
    b'fill="#d8cfc0"/><circle cx="2" cy="1.5" r=".8" fill="none" stroke="#a8895c" '
    b'stroke-width=".18"/></svg>'
)


def hang_pictures(page: Page) -> None:
    """Answer for the host that the file's pictures are on."""

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="image/svg+xml", body=PICTURE)

    page.route("https://burst.shopifycdn.com/**", answer)


def move_in(visit: Visit, street: Street, *, name: str, subdomain: str) -> None:
    """Sign up with a password, through all the pages."""
    prove_address(visit, street, f"owner@{subdomain}.example")
    page = visit.page
    page.get_by_label("Name of the workspace").fill(name)
    page.get_by_label("Address").fill(subdomain)
    page.get_by_label("Your name").fill("Ida Initech")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create the workspace").click()
    expect(page).to_have_url(street.url("/", subdomain))


def test_third_tenant_moves_in_and_is_alone(street: Street, visit: VisitMaker) -> None:
    neighbour = visit()
    move_in(neighbour, street, name="Globex Cycles", subdomain="globex")

    ida = visit()
    page = ida.page
    hang_pictures(page)
    move_in(ida, street, name="Initech Jewellery", subdomain="initech")
    ida.screenshot("1-empty-house")

    page.goto(street.url("/products/import/", "initech"))
    page.get_by_label("File").set_input_files(GOODS)
    page.get_by_role("button", name="Check the file").click()
    take = page.get_by_role("button", name="Import 20 products")
    expect(take).to_be_visible(timeout=30_000)
    ida.screenshot("2-dry-run")
    page.goto(street.url("/products/", "initech"))
    expect(page.get_by_text("7 Shakra Bracelet")).to_have_count(0)
    page.go_back()
    take.click()
    expect(page.get_by_text("The import is done.")).to_be_visible(timeout=30_000)
    ida.screenshot("3-imported")

    page.goto(street.url("/products/chain-bracelet/", "initech"))
    expect(page.get_by_role("heading", name="7 Shakra Bracelet")).to_be_visible()
    ida.screenshot("4-product")

    page.goto(street.url("/desk/new/", "initech"))
    page.get_by_label("Title").fill("Seven stones, seven colours")
    page.get_by_label("Text").fill("We string each bracelet **by hand**.\n\n- blue\n- black\n")
    expect(page.locator("#preview strong")).to_have_text("by hand")
    ida.screenshot("5-writing")
    page.get_by_role("button", name="Save and publish").click()

    stranger = visit()
    hang_pictures(stranger.page)
    stranger.page.goto(street.url("/", "initech"))
    expect(stranger.page.get_by_role("link", name="Seven stones, seven colours")).to_be_visible()
    stranger.screenshot("6-home")
    stranger.page.goto(street.url("/articles/seven-stones-seven-colours/", "initech"))
    expect(stranger.page.get_by_text("by hand")).to_be_visible()
    stranger.screenshot("7-article")
    stranger.page.goto(street.url("/products/", "initech"))
    expect(stranger.page.get_by_text("7 Shakra Bracelet")).to_be_visible()
    stranger.screenshot("8-shop")

    for path in ("/", "/articles/", "/products/"):
        neighbour.page.goto(street.url(path, "globex"))
        expect(neighbour.page.get_by_text("Shakra")).to_have_count(0)
        expect(neighbour.page.get_by_text("Seven stones")).to_have_count(0)
    next_door = neighbour.context.request
    for path in ("/articles/seven-stones-seven-colours/", "/products/chain-bracelet/"):
        answer = next_door.get(
            f"http://127.0.0.1:{street.port}{path}", headers={"host": "globex.localhost"}
        )
        assert answer.status == 404

    page.goto(street.url("/admin/", "initech"))
    expect(page.get_by_text("Today").first).to_be_visible()


def test_third_tenant_on_a_phone_in_the_dark(street: Street, visit: VisitMaker) -> None:
    window = visit(theme="dark", phone=True)
    hang_pictures(window.page)
    for name, path in {"home": "/", "articles": "/articles/", "shop": "/products/"}.items():
        window.page.goto(street.url(path, "initech"))
        window.screenshot(name)
        overflow = window.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0, f"{path} is {overflow} px wider than the phone"
