"""The dashboard in a real browser: the strict policy, day and night, a phone, axe."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Street, VisitMaker
from tests.browser.test_account import WINDOWS, log_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OWNER = "owner@acme.example"


@pytest.mark.parametrize(("theme", "phone"), WINDOWS)
def test_dashboard_looks_right(street: Street, visit: VisitMaker, theme: str, phone: bool) -> None:
    olga = visit(theme=theme, phone=phone)
    log_in(olga, street, OWNER)
    for days in (7, 30, 90):
        olga.page.goto(street.url(f"/dashboard/?days={days}", "acme"))
        expect(olga.page.get_by_role("heading", level=1)).to_have_text("Dashboard")
        width = olga.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{width} pixels wider than the window"
        olga.screenshot(f"dashboard-{days}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_dashboard_is_accessible(street: Street, visit: VisitMaker, theme: str) -> None:
    olga = visit(theme=theme, for_axe=True)
    log_in(olga, street, OWNER)
    olga.page.goto(street.url("/dashboard/", "acme"))
    assert olga.accessibility_faults() == []
    olga.page.get_by_text("The same as a table").first.click()
    assert olga.accessibility_faults() == []
