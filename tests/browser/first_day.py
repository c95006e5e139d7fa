"""The first day of a customer: signs up, moves in with real goods, publishes, and is alone with it."""

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from config.management.commands.seed_demo import PASSWORD as DEMO_PASSWORD
from tenant_apps.workspace.demo import THEMES
from tests.browser.conftest import Place, Visit, VisitMaker
from tests.browser.test_signup import prove_address

GOODS = Path(__file__).resolve().parent.parent / "data" / "shopify-jewelery.csv"
PASSWORD = "nine red swingline staplers"
# What only the third tenant has.
GOODS_WORD, ARTICLE = "Shakra", "Seven stones, seven colours"
THIRD = "initech"
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


def live_the_first_day(place: Place, visit: VisitMaker) -> None:
    """The third tenant comes into a street of two, and what it brings is seen there alone."""
    neighbours = {theme: _owner_of_demo(place, visit, theme) for theme in THEMES}

    ida = visit()
    page = ida.page
    hang_pictures(page)
    _sign_up(ida, place)
    ida.screenshot("1-empty-house")
    _import_goods(ida, place)
    _publish_article(ida, place)
    _look_as_a_stranger(visit(), place)
    for theme, neighbour in neighbours.items():
        _assert_nothing_came_over(place, theme, neighbour)
    page.goto(place.url("/admin/", THIRD))
    expect(page.get_by_text("Today").first).to_be_visible()
    look_by_phone(place, visit, THIRD)


def look_by_phone(place: Place, visit: VisitMaker, subdomain: str) -> None:
    """The pages of a tenant on a phone, in the dark: nothing sticks out."""
    window = visit(theme="dark", phone=True)
    hang_pictures(window.page)
    for name, path in {"home": "/", "articles": "/articles/", "shop": "/products/"}.items():
        window.page.goto(place.url(path, subdomain))
        window.screenshot(f"phone-{name}")
        overflow = window.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0, f"{path} is {overflow} px wider than the phone"


def _owner_of_demo(place: Place, visit: VisitMaker, theme: str) -> Visit:
    """A demo tenant's owner, logged in, with the demo's goods around."""
    demo = THEMES[theme]  # type: ignore[index]
    owner = visit()
    page = owner.page
    page.goto(place.url("/account/login/", theme))
    page.locator("input[name=login]").fill(demo.owner_email)
    page.locator("input[name=password]").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page).to_have_url(place.url("/", theme))
    page.goto(place.url("/products/", theme))
    expect(page.get_by_text(demo.products[0]["title"]).first).to_be_visible()
    return owner


def _sign_up(visit: Visit, place: Place) -> None:
    """With a password, through all the pages."""
    prove_address(visit, place, f"owner@{THIRD}.example")
    page = visit.page
    page.get_by_label("Name of the workspace").fill("Initech Jewellery")
    page.get_by_label("Address").fill(THIRD)
    page.get_by_label("Your name").fill("Ida Initech")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create the workspace").click()
    expect(page).to_have_url(place.url("/", THIRD))


def _import_goods(visit: Visit, place: Place) -> None:
    page = visit.page
    page.goto(place.url("/products/import/", THIRD))
    page.get_by_label("File").set_input_files(GOODS)
    page.get_by_role("button", name="Check the file").click()
    take = page.get_by_role("button", name="Import 20 products")
    expect(take).to_be_visible(timeout=30_000)
    visit.screenshot("2-dry-run")
    page.goto(place.url("/products/", THIRD))
    expect(page.get_by_text("7 Shakra Bracelet")).to_have_count(0)
    page.go_back()
    take.click()
    expect(page.get_by_text("The import is done.")).to_be_visible(timeout=30_000)
    visit.screenshot("3-imported")

    page.goto(place.url("/products/chain-bracelet/", THIRD))
    expect(page.get_by_role("heading", name="7 Shakra Bracelet")).to_be_visible()
    visit.screenshot("4-product")


def _publish_article(visit: Visit, place: Place) -> None:
    page = visit.page
    page.goto(place.url("/desk/new/", THIRD))
    page.get_by_label("Title").fill(ARTICLE)
    page.get_by_role("textbox", name="Text").fill(
        "We string each bracelet **by hand**.\n\n- blue\n- black\n"
    )
    expect(page.locator("#preview strong")).to_have_text("by hand")
    visit.screenshot("5-writing")
    page.get_by_role("button", name="Save and publish").click()


def _look_as_a_stranger(stranger: Visit, place: Place) -> None:
    page = stranger.page
    hang_pictures(page)
    page.goto(place.url("/", THIRD))
    expect(page.get_by_role("link", name=ARTICLE)).to_be_visible()
    stranger.screenshot("6-home")
    page.goto(place.url("/articles/seven-stones-seven-colours/", THIRD))
    expect(page.get_by_text("by hand")).to_be_visible()
    stranger.screenshot("7-article")
    page.goto(place.url("/products/", THIRD))
    expect(page.get_by_text("7 Shakra Bracelet")).to_be_visible()
    stranger.screenshot("8-shop")


def _assert_nothing_came_over(place: Place, theme: str, owner: Visit) -> None:
    """Neither on the pages nor on the desk of a demo tenant, and not at the third's addresses."""
    page = owner.page
    for path in ("/", "/articles/", "/products/", "/desk/"):
        page.goto(place.url(path, theme))
        expect(page.get_by_role("heading").first).to_be_visible()
        expect(page.get_by_text(GOODS_WORD)).to_have_count(0)
        expect(page.get_by_text(ARTICLE)).to_have_count(0)
    for path in ("/articles/seven-stones-seven-colours/", "/products/chain-bracelet/"):
        statuses = {
            subdomain: owner.context.request.get(
                f"http://127.0.0.1:{place.port}{path}", headers={"host": f"{subdomain}.localhost"}
            ).status
            for subdomain in (theme, THIRD)
        }
        assert statuses == {theme: 404, THIRD: 200}
    owner.screenshot(f"9-{theme}-as-it-was")
