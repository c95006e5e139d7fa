"""What a host answers instead of a page."""

import pytest
from django.test import Client, RequestFactory

from shared_apps.domains import status_pages
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Tenant

UNKNOWN = ["nobody.localhost", "evil.example", "initech.acme.localhost", "a_b.localhost", "[::1]"]


def stop(tenant: TenantRef, status: str) -> None:
    """Give the tenant a status, as the lifecycle would."""
    Tenant.objects.filter(pk=tenant.id).update(status=status)


@pytest.mark.parametrize(
    ("status", "code", "heading", "retry_after"),
    [
        ("suspended", 403, "Acme is suspended", None),
        ("maintenance", 503, "Acme is closed for maintenance", "300"),
        ("provisioning", 503, "Acme is being set up", "5"),
        ("archived", 410, "Acme is archived", None),
        ("erasure_scheduled", 410, "Acme is closed", None),
    ],
)
def test_status_has_a_page_and_a_json_answer(
    acme: TenantRef, status: str, code: int, heading: str, retry_after: str | None
) -> None:
    stop(acme, status)
    browser = Client(headers={"host": acme.hostname})
    page = browser.get("/", headers={"accept": "text/html"})
    assert page.status_code == code
    assert heading in page.content.decode()
    answers = [
        browser.get("/articles/", headers={"accept": "application/json"}),
        browser.get("/api/articles/"),
    ]
    for answer in answers:
        assert answer.status_code == code
        assert answer.json()["status"] == status
        assert answer.json()["detail"].endswith(".")
    for answer in (page, *answers):
        assert answer.get("Retry-After") == retry_after
        assert answer["Cache-Control"] == "no-store"
        assert answer["Content-Security-Policy"].startswith("default-src 'none'")
        assert not answer.cookies


def test_unknown_host_gets_the_same_404_to_the_byte(acme: TenantRef) -> None:
    stop(acme, "erased")
    answers = [Client(headers={"host": host}).get("/") for host in [*UNKNOWN, acme.hostname]]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.items())) for answer in answers}) == 1
    assert not any(answer.cookies for answer in answers)
    page = answers[0].content.decode().lower()
    for name in ("acme", "globex", *UNKNOWN):
        assert name not in page


def test_read_only_page_says_nothing_was_changed(acme: TenantRef) -> None:
    request = RequestFactory().post("/articles/")
    request.tenant = acme  # type: ignore[attr-defined]
    answer = status_pages.render_status(request, "read_only")
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


@pytest.mark.parametrize("of_tenant", [False, True])
def test_missing_page_is_a_page_or_json(of_tenant: bool, acme: TenantRef) -> None:
    browser = Client(headers={"host": acme.hostname if of_tenant else "localhost"})
    page = browser.get("/nothing-here/", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "No such page" in page.content.decode()
    answer = browser.get("/api/nothing-here/")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "There is nothing at this address."}


@pytest.mark.parametrize("code", [400, 403, 404, 429, 500])
def test_error_pages_ask_the_database_nothing(code: int) -> None:
    # No `db` fixture: a query would fail the test.
    page = status_pages.render_error(RequestFactory().get("/"), code)
    assert page.status_code == code
    assert f"Error {code}" in page.content.decode()


def test_form_from_elsewhere_is_refused_with_a_sentence(db: None) -> None:
    browser = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    answer = browser.post("/sign-up/", {"email": "ann@example.com"})
    assert answer.status_code == 403
    assert "This form has expired or came from elsewhere" in answer.content.decode()
