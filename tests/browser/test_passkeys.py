"""A passkey in a real browser, whose authenticator is a virtual one of the DevTools protocol."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Street, Visit, VisitMaker
from tests.browser.test_signup import fill_wish, prove_address

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def give_authenticator(visit: Visit) -> None:
    """A device that keeps passkeys and says yes to everything.

    https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/
    """
    session = visit.context.new_cdp_session(visit.page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )


def test_owner_without_a_password_logs_in_with_a_passkey_and_nobody_without_it(
    street: Street, visit: VisitMaker
) -> None:
    ann = visit()
    page = ann.page
    prove_address(ann, street, "passkey@example.com")
    fill_wish(ann, name="Passkey House", subdomain="passkeys")
    page.get_by_role("button", name="Create the workspace").click()
    expect(page.get_by_text("Welcome, Ann.")).to_be_visible()

    give_authenticator(ann)
    page.goto(street.url("/account/", "passkeys"))
    expect(page.get_by_role("link", name="Set a password")).to_be_visible()
    page.get_by_role("link", name="Passkeys and second factors").click()
    ann.screenshot("1-none")
    page.get_by_role("link", name="Add a passkey").click()
    ann.screenshot("2-add")
    page.get_by_label("Name").fill("Ann's laptop")
    page.get_by_role("button", name="Add").click()
    # Recovery codes were made, and only she who has the passkey sees them.
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()
    ann.screenshot("3-recovery-codes")
    page.goto(street.url("/account/2fa/webauthn/", "passkeys"))
    expect(page.get_by_text("Ann's laptop").first).to_be_visible()
    ann.screenshot("4-list")

    page.goto(street.url("/account/logout/", "passkeys"))
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    page.goto(street.url("/account/login/", "passkeys"))
    ann.screenshot("5-log-in")
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page).to_have_url(street.url("/", "passkeys"))
    page.goto(street.url("/account/", "passkeys"))
    expect(page.get_by_text("passkey@example.com, owner")).to_be_visible()

    # Here, since the workspace is this test's: a browser without the passkey says so and stays.
    stranger = visit()
    stranger.page.goto(street.url("/account/login/", "passkeys"))
    session = stranger.context.new_cdp_session(stranger.page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}},
    )
    stranger.page.get_by_role("button", name="Log in with a passkey").click()
    expect(stranger.page.get_by_text("The passkey was not used")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_accessibility_faults(street: Street, visit: VisitMaker, theme: str) -> None:
    window = visit(theme=theme, for_axe=True)
    page = window.page
    prove_address(window, street, f"factors-{theme}@example.com")
    fill_wish(window, name="Factors", subdomain=f"factors-{theme}")
    page.get_by_role("button", name="Create the workspace").click()
    expect(page.get_by_text("Welcome, Ann.")).to_be_visible()
    faults: dict[str, list[str]] = {}
    for path in ("/account/2fa/", "/account/2fa/webauthn/add/", "/account/2fa/totp/activate/"):
        page.goto(street.url(path, f"factors-{theme}"))
        faults[path] = window.accessibility_faults()
        window.screenshot(path.strip("/").replace("/", "-"))
    page.goto(street.url("/account/logout/", f"factors-{theme}"))
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    page.goto(street.url("/account/login/", f"factors-{theme}"))
    faults["log in"] = window.accessibility_faults()
    assert {where: found for where, found in faults.items() if found} == {}
