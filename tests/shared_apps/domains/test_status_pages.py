"""What a host answers instead of a page."""

import json
import re

import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings

from shared_apps.domains import status_pages
from shared_apps.domains.middleware import SERVED
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Status, Tenant

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
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == code
        assert answer.json()["workspace_status"] == status
        assert answer.json()["detail"].endswith(".")
    for answer in (page, *answers):
        assert answer.get("Retry-After") == retry_after
        assert answer["Cache-Control"] == "no-store"
        assert answer["Content-Security-Policy"].startswith("default-src 'none'")
        assert not answer.cookies


@pytest.mark.parametrize("status", ["suspended", "archived"])
def test_closed_workspace_says_whom_to_write_to(
    acme: TenantRef, settings: Settings, status: str
) -> None:
    settings.TERRACE_SUPPORT_EMAIL = "care@terrace.example"
    stop(acme, status)
    browser = Client(headers={"host": acme.hostname})
    page = browser.get("/", headers={"accept": "text/html"}).content.decode()
    assert '<a href="mailto:care@terrace.example">care@terrace.example</a>' in page
    answer = browser.get("/", headers={"accept": "application/json"}).json()
    assert "write to care@terrace.example to have it" in answer["detail"]


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


def test_every_status_that_is_not_served_has_its_answer() -> None:
    # An erased tenant looks like none, and so does a preview to whoever has no pass.
    answered = {status.value for status in Status} - SERVED - {"erased", "preview"}
    assert answered <= set(status_pages._STATUSES)


@pytest.mark.parametrize("status", sorted(status_pages._STATUSES))
def test_page_and_json_of_each_status_say_the_same(acme: TenantRef, status: str) -> None:
    """Whatever statuses there come to be: the test above has the words of those there are."""
    requests = RequestFactory()
    asked = [requests.get("/"), requests.get("/", headers={"accept": "application/json"})]
    for request in asked:
        request.tenant = acme  # type: ignore[attr-defined]
    page, answer = (status_pages.render_status(request, status) for request in asked)
    assert re.search(r"<h1>\s*Acme is [^<]+</h1>", page.content.decode())
    told = json.loads(answer.content)
    assert told.keys() == {"type", "title", "status", "detail", "workspace_status"}
    assert told["workspace_status"] == status
    assert page["Content-Type"].startswith("text/html")
    assert answer["Content-Type"] == "application/problem+json"
    assert page.status_code == answer.status_code >= 400
    assert page.get("Retry-After") == answer.get("Retry-After")


def test_read_only_answers_say_that_nothing_was_changed(acme: TenantRef) -> None:
    """What a refused write gets; that it is refused: shared_apps/tenants/test_lifecycle_read_only."""
    requests = RequestFactory()
    asked = [
        requests.post("/desk/new/", headers={"accept": "text/html"}),
        requests.post("/desk/new/", headers={"accept": "application/json"}),
        requests.delete("/api/v1/articles/1/"),
    ]
    for request in asked:
        request.tenant = acme  # type: ignore[attr-defined]
    page, *answers = (status_pages.render_status(request, "read_only") for request in asked)
    assert "Acme is read-only for now" in page.content.decode()
    assert "Nothing was changed" in page.content.decode()
    for answer in answers:
        assert answer["Content-Type"] == "application/problem+json"
        assert json.loads(answer.content) == {
            "type": "urn:terrace:problem:workspace-read-only",
            "title": "Forbidden",
            "status": 403,
            "workspace_status": "read_only",
            "detail": "This workspace is read-only for now. Nothing was changed; try again later.",
        }
    for answer in (page, *answers):
        assert answer.status_code == 403
        assert answer["Cache-Control"] == "no-store"
        assert answer["Content-Security-Policy"].startswith("default-src 'none'")
        assert not answer.cookies


@pytest.mark.parametrize("of_tenant", [False, True])
def test_missing_page_is_a_page_or_json(of_tenant: bool, acme: TenantRef) -> None:
    browser = Client(headers={"host": acme.hostname if of_tenant else "localhost"})
    page = browser.get("/nothing-here/", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "No such page" in page.content.decode()
    answer = browser.get("/api/nothing-here/")
    assert answer.status_code == 404
    told = answer.json()
    assert (told["status"], told["detail"]) == (404, "There is nothing at this address.")
    assert told["type"] == "urn:terrace:problem:not-found"


@pytest.mark.parametrize("code", [400, 403, 404, 429, 500])
def test_error_pages_ask_the_database_nothing(code: int) -> None:
    # No `db` fixture: a query would fail the test.
    requests = RequestFactory()
    page = status_pages.render_error(requests.get("/"), code)
    answer = status_pages.render_error(requests.get("/api/v1/articles/"), code)
    assert (page.status_code, answer.status_code) == (code, code)
    assert f"Error {code}" in page.content.decode()
    told = json.loads(answer.content)
    assert (told["status"], told["detail"]) == (code, status_pages._ERRORS[code])


def test_form_from_elsewhere_is_refused_with_a_sentence(db: None) -> None:
    browser = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    answer = browser.post("/sign-up/", {"email": "ann@example.com"})
    assert answer.status_code == 403
    assert "This form has expired or came from elsewhere" in answer.content.decode()
