"""The pages of products as people see them: nothing sticks out, nothing is in anybody's way."""

import pytest
from playwright.sync_api import Page, expect

from tenant_apps.workspace.demo import THEMES
from tests.browser.conftest import Street, Theme, Visit, VisitMaker
from tests.browser.first_day import DEMO_PASSWORD, hang_pictures

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ACME = THEMES["acme"]
PAGES = {
    "list": "/products/?q=mug&price_from=1",
    "nothing": "/products/?q=xylophone",
    "bad-price": "/products/?price_from=cheap",
    "tree": "/products/category/",
    "stock": "/stock/",
    "import": "/products/import/",
}


def log_in(visitor: Visit, street: Street) -> Page:
    page = visitor.page
    page.goto(street.url("/account/login/", "acme"))
    page.locator("input[name=login]").fill(ACME.owner_email)
    page.locator("input[name=password]").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page).to_have_url(street.url("/", "acme"))
    return page


def width_beyond(page: Page) -> int:
    width: int = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width


@pytest.mark.parametrize(("theme", "phone"), [("light", False), ("dark", True)])
def test_pages_of_products(street: Street, visit: VisitMaker, theme: Theme, phone: bool) -> None:
    owner = visit(theme=theme, phone=phone, for_axe=True)
    hang_pictures(owner.page)
    page = log_in(owner, street)
    page.set_viewport_size(
        {"width": 375, "height": 812} if phone else {"width": 1280, "height": 860}
    )
    page.goto(street.url("/products/", "acme"))
    product = page.locator("article.card--link a").first.get_attribute("href")
    for name, path in {**PAGES, "product": str(product)}.items():
        page.goto(street.url(path, "acme"))
        owner.screenshot(name)
        assert width_beyond(page) == 0, f"{path} is wider than the screen"
        assert owner.accessibility_faults() == [], path


def test_member_reviews_and_owner_shows_it(street: Street, visit: VisitMaker) -> None:
    owner = visit()
    hang_pictures(owner.page)
    page = log_in(owner, street)
    page.goto(street.url("/products/", "acme"))
    page.locator("article.card--link a").first.click()
    page.get_by_label("Stars").select_option("4")
    page.get_by_label("In your words").fill("It holds tea.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("It waits to be read")).to_be_visible()
    address = page.url
    page.goto(street.url("/admin/products/review/", "acme"))
    owner.screenshot("queue")
    page.locator("input[name=_selected_action]").first.check()
    page.locator("select[name=action]").first.select_option("approve")
    page.locator("button[name=index], button[type=submit]").filter(has_text="Run").first.click()
    page.goto(address)
    expect(page.get_by_text("It holds tea.").first).to_be_visible()
    owner.screenshot("reviewed")
    page.goto(street.url("/admin/products/product/", "acme"))
    owner.screenshot("admin")
    product = page.locator("th.field-title a, td.field-title a").first.get_attribute("href")
    page.goto(street.url(str(product).split("?")[0].replace("/change/", "/stock/"), "acme"))
    page.get_by_label("Pieces").fill("-1000")
    page.get_by_label("Reason").select_option("sold")
    page.get_by_role("button", name="Note it").click()
    expect(page.get_by_text("cannot be taken").first).to_be_visible()
    owner.screenshot("admin-stock")
    # The browser says of the refusal's 422 what it says of any answer above 400.
    owner.complaints[:] = [one for one in owner.complaints if "422" not in one]
