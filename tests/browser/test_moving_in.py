"""A file of another system, from the form to its articles, through a real worker."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Street, Theme, VisitMaker
from tests.browser.test_articles import log_in
from tests.tenant_apps.articles.moving_in.test_moves import post, wordpress

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(("theme", "phone"), [("light", False), ("dark", True)])
def test_file_is_looked_through_and_taken_over(
    street: Street, visit: VisitMaker, tmp_path: Path, theme: Theme, phone: bool
) -> None:
    first = 900 + 10 * phone
    file = tmp_path / "old blog.xml"
    file.write_bytes(
        wordpress(
            post(first, title="The kiln is up", more="<wp:post_password>x</wp:post_password>"),
            post(first + 1, title="Clay from the river", text="<iframe src='https://v.example/'>"),
            post(first + 2, title="Thrown away", status="trash"),
        )
    )
    opened = visit(theme=theme, phone=phone, for_axe=True)
    page = log_in(street, opened, "owner")
    page.goto(street.url("/desk/move-in/", "acme"))
    assert opened.accessibility_faults() == []
    opened.screenshot("form")
    page.get_by_label("Export file").set_input_files(file)
    page.get_by_label("Fetch the pictures too").uncheck()
    page.get_by_role("button", name="Look through the file").click()
    expect(page.get_by_role("button", name="Take 2 articles over")).to_be_visible()
    expect(page.get_by_role("cell", name="It was in the bin.")).to_be_visible()
    assert opened.accessibility_faults() == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    opened.screenshot("checked")
    page.get_by_role("button", name="Take 2 articles over").click()
    expect(page.get_by_text("2 articles moved in.")).to_be_visible()
    opened.screenshot("done")
    page.goto(street.url(f"/?p={first + 1}", "acme"))
    expect(page.get_by_role("heading", name="Clay from the river", level=1)).to_be_visible()
