"""From the landing page into a workspace, as visitors do it."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Place, Street, Theme, Visit, VisitMaker, code_in

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ENTERED = re.compile(r"^http://[a-z-]+\.localhost:\d+/$")
WINDOWS = [("light", False), ("dark", True)]


def prove_address(visit: Visit, street: Place, email: str) -> None:
    """Step 1: the address, and the digits of the mail."""
    page = visit.page
    page.goto(street.url("/sign-up/"))
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code").fill(code_in(street.letter_to(email)))
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Your workspace")).to_be_visible()


def fill_wish(visit: Visit, *, name: str, subdomain: str) -> None:
    """Step 2, without a password."""
    page = visit.page
    page.get_by_label("Name of the workspace").fill(name)
    page.get_by_label("Address").fill(subdomain)
    page.get_by_label("Your name").fill("Ann Author")
    page.get_by_label("I'll set a password later").check()


@pytest.mark.parametrize(("theme", "phone"), WINDOWS)
def test_visitor_signs_up_and_is_inside(
    street: Street, visit: VisitMaker, theme: Theme, phone: bool
) -> None:
    ann = visit(theme=theme, phone=phone)
    page = ann.page
    page.goto(street.url("/"))
    ann.screenshot("1-landing")
    page.get_by_role("main").get_by_role("link", name="Create a workspace").first.click()
    page.get_by_label("E-mail address").fill("ann")
    page.get_by_role("button", name="Send me a code").click()
    expect(page.get_by_text("This is no e-mail address.")).to_be_visible()
    ann.screenshot("2-address-refused")

    email = f"ann-{theme}@example.com"
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code").fill("12345")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("The code is six digits long")).to_be_visible()
    ann.screenshot("3-code-refused")
    page.get_by_label("Code").fill(code_in(street.letter_to(email)))
    page.get_by_role("button", name="Go on").click()

    name, address = page.get_by_label("Name of the workspace"), page.get_by_label("Address")
    name.press_sequentially(f"Ann's Books {theme}")
    expect(address).to_have_value(f"anns-books-{theme}")
    expect(page.get_by_text(f"anns-books-{theme}.localhost is free")).to_be_visible()
    address.fill("admin")
    expect(page.get_by_text("is kept for the platform itself")).to_be_visible()
    expect(address).to_have_attribute("aria-invalid", "true")
    name.press("End")
    name.press_sequentially(" & Co")
    expect(address).to_have_value("admin")
    page.get_by_role("button", name="Create the workspace").click()
    expect(page.get_by_text("Choose a password, or set one later.")).to_be_visible()
    ann.screenshot("4-wish-refused")

    address.fill(f"ann-{theme}")
    expect(page.get_by_text(f"ann-{theme}.localhost is free")).to_be_visible()
    expect(address).not_to_have_attribute("aria-invalid", "true")
    page.get_by_label("Your name").fill("Ann Author")
    page.get_by_label("I'll set a password later").check()
    expect(page.get_by_label("Password", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Create the workspace").click()
    expect(page).to_have_url(street.url("/", f"ann-{theme}"))
    expect(page.get_by_text("Welcome, Ann.")).to_be_visible()
    ann.screenshot("5-inside")

    page.go_back()
    expect(page.get_by_role("heading", name="Your workspace")).to_be_visible()
    page.get_by_role("button", name="Create the workspace").click()
    expect(page).to_have_url(street.url("/", f"ann-{theme}"))


def test_name_typed_before_the_scripts_came_is_suggested(street: Street, visit: VisitMaker) -> None:
    ann = visit()
    prove_address(ann, street, "quick@example.com")
    page = ann.page
    held: list[Route] = []
    is_held = True

    def hold(route: Route) -> None:
        if is_held:
            held.append(route)
        else:
            route.continue_()

    page.route(re.compile(r"/js/(?!theme\.)|htmx"), hold)
    page.reload(wait_until="commit")
    page.get_by_label("Name of the workspace").fill("Quick Fingers")
    is_held = False
    for route in held:
        route.continue_()
    expect(page.get_by_label("Address")).to_have_value("quick-fingers")


@pytest.mark.parametrize(("theme", "phone"), WINDOWS)
def test_pages_have_no_accessibility_faults(
    street: Street, visit: VisitMaker, theme: Theme, phone: bool
) -> None:
    window = visit(theme=theme, phone=phone, for_axe=True)
    faults: dict[str, list[str]] = {}
    for path in ("/", "/sign-up/", "/find/", "/find/sent/", "/nothing-here/", "/sign-up/link/no/"):
        window.page.goto(street.url(path))
        faults[path] = window.accessibility_faults()
    window.page.goto(street.url("/", "nobody"))
    faults["unknown host"] = window.accessibility_faults()
    window.screenshot("unknown-host")

    prove_address(window, street, f"axe-{theme}@example.com")
    window.page.get_by_role("button", name="Create the workspace").click()
    expect(window.page.get_by_text("Give the workspace a name.")).to_be_visible()
    faults["workspace, refused"] = window.accessibility_faults()
    fill_wish(window, name="Axe", subdomain=f"axe-{theme}")
    window.page.get_by_role("button", name="Create the workspace").click()
    expect(window.page.get_by_text("Welcome, Ann.")).to_be_visible()
    faults["inside"] = window.accessibility_faults()
    assert {where: found for where, found in faults.items() if found} == {}


def test_sign_up_works_without_scripts(street: Street, visit: VisitMaker) -> None:
    ann = visit(scripts=False)
    prove_address(ann, street, "noscript@example.com")
    page = ann.page
    page.get_by_label("Name of the workspace").fill("Noscript & Daughters")
    page.get_by_label("Your name").fill("Ann Author")
    page.get_by_label("Password", exact=True).fill("nine red swingline staplers")
    page.get_by_role("button", name="Create the workspace").click()
    expect(page.get_by_text("How about “noscript-daughters”?")).to_be_visible()
    page.get_by_label("Password", exact=True).fill("nine red swingline staplers")
    page.get_by_role("button", name="Create the workspace").click()
    expect(page).to_have_url(street.url("/", "noscript-daughters"))


@pytest.mark.parametrize("scripts", [True, False])
def test_progress_page_leads_inside_when_the_pool_is_empty(
    street: Street, visit: VisitMaker, scripts: bool
) -> None:
    word = "with" if scripts else "without"
    ann = visit(scripts=scripts)
    prove_address(ann, street, f"{word}@example.com")
    fill_wish(ann, name="Slow House", subdomain=f"slow-{word}")
    with street.worker_asleep():
        street.empty_pool()
        ann.page.get_by_role("button", name="Create the workspace").click()
        expect(ann.page.get_by_role("heading", name="Slow House is being made")).to_be_visible()
        expect(ann.page.locator("[data-state=done]")).to_have_count(1)
        ann.screenshot("under-way")
        ann.page.reload()
        expect(ann.page.get_by_role("heading", name="Slow House is being made")).to_be_visible()
    expect(ann.page).to_have_url(street.url("/", f"slow-{word}"), timeout=30_000)
    expect(ann.page.get_by_text("Welcome, Ann.")).to_be_visible()


@pytest.mark.parametrize("trouble", ["silent", "unreachable", "refused"])
def test_progress_page_asks_again_where_no_events_come(
    street: Street, visit: VisitMaker, trouble: str
) -> None:
    """A proxy that holds events back, a connection that breaks, a server that won't."""
    ann = visit()
    page = ann.page

    def withhold(route: Route) -> None:
        if trouble == "unreachable":
            route.abort()
        elif trouble == "refused":
            route.fulfill(status=503)

    page.route("**/sign-up/progress/events/", withhold)
    prove_address(ann, street, f"{trouble}@example.com")
    fill_wish(ann, name="Patient House", subdomain=f"patient-{trouble}")
    with street.worker_asleep():
        street.empty_pool()
        # It asks, is told that nothing has changed, and asks again.
        with page.expect_request("**/sign-up/progress/state/"):
            page.get_by_role("button", name="Create the workspace").click()
        with page.expect_request("**/sign-up/progress/state/"):
            pass
        expect(page.get_by_role("heading", name="Patient House is being made")).to_be_visible()
    expect(page).to_have_url(street.url("/", f"patient-{trouble}"), timeout=30_000)
    expect(page.get_by_text("Welcome, Ann.")).to_be_visible()
    # The browser says that it could not load them, which is what was wanted here.
    ann.complaints[:] = [one for one in ann.complaints if "Failed to load resource" not in one]


def test_link_of_the_mail_works_in_another_browser(street: Street, visit: VisitMaker) -> None:
    desk, phone = visit(), visit(phone=True)
    desk.page.goto(street.url("/sign-up/"))
    desk.page.get_by_label("E-mail address").fill("two@example.com")
    desk.page.get_by_role("button", name="Send me a code").click()
    link = re.search(r"http://localhost:\d+/sign-up/link/\S+", street.letter_to("two@example.com"))
    assert link
    phone.page.goto(link[0])
    expect(phone.page.get_by_text("Go on with two@example.com")).to_be_visible()
    phone.screenshot("link")
    phone.page.get_by_role("button", name="Go on").click()
    expect(phone.page.get_by_role("heading", name="Your workspace")).to_be_visible()


def test_theme_switch_is_remembered(street: Street, visit: VisitMaker) -> None:
    page = visit(theme="light").page
    page.goto(street.url("/"))
    by_day = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Change between light and dark").click()
    page.goto(street.url("/find/"))
    by_night = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert by_day != by_night
