"""Which other sites' pages may use the API: none, until the workspace names them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.workspace import configuration
from tests.tenant_apps.conftest import LoggedIn, People

SHOP = "https://shop.example.com"
PATH = "/api/v1/articles/"
ORIGIN: dict[str, Any] = {"origin": SHOP}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "POST"}

Allow = Callable[[list[str]], None]


@pytest.fixture
def allow(
    acme: TenantRef,
    acme_people: People,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Allow:
    def change(origins: list[str]) -> None:
        with context.run_in(acme), django_capture_on_commit_callbacks(execute=True):
            configuration.change_settings(changes={"api_origins": origins}, by=acme_people["owner"])

    return change


def test_nobody_is_let_in_by_default(acme_people: People, acme_client: Client) -> None:
    for answer in (
        acme_client.get(PATH, headers=ORIGIN),
        acme_client.options(PATH, headers=PREFLIGHT),
    ):
        assert "Access-Control-Allow-Origin" not in answer
        assert "Origin" in answer["Vary"]


def test_listed_site_reads_and_is_told_what_it_may_send(allow: Allow, acme_client: Client) -> None:
    allow([SHOP])
    answer = acme_client.get(PATH, headers=ORIGIN)
    assert answer["Access-Control-Allow-Origin"] == SHOP
    assert "ETag" in answer["Access-Control-Expose-Headers"]
    preflight = acme_client.options(PATH, headers=PREFLIGHT)
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert "POST" in preflight["Access-Control-Allow-Methods"]
    assert "Authorization" in preflight["Access-Control-Allow-Headers"]
    for one in (answer, preflight):
        assert "Access-Control-Allow-Credentials" not in one, "cookies never"


def test_errors_can_be_read_too(allow: Allow, acme_client: Client) -> None:
    allow([SHOP])
    answer = acme_client.get("/api/v1/nothing/", headers=ORIGIN)
    assert answer.status_code == 404
    assert answer["Access-Control-Allow-Origin"] == SHOP


def test_change_of_the_list_holds_at_once(allow: Allow, acme_client: Client) -> None:
    allow([SHOP])
    assert acme_client.get(PATH, headers=ORIGIN)["Access-Control-Allow-Origin"] == SHOP
    allow([])
    assert "Access-Control-Allow-Origin" not in acme_client.get(PATH, headers=ORIGIN)


def test_list_is_the_workspaces_own(
    allow: Allow, globex_people: People, globex_client: Client
) -> None:
    allow([SHOP])
    assert "Access-Control-Allow-Origin" not in globex_client.get(PATH, headers=ORIGIN)


@pytest.mark.parametrize(
    "origin", ["https://shop.example.com.evil.example", "http://shop.example.com", "null", ""]
)
def test_other_site(allow: Allow, acme_client: Client, origin: str) -> None:
    allow([SHOP])
    answer = acme_client.get(PATH, headers={"origin": origin})
    assert "Access-Control-Allow-Origin" not in answer


def test_pages_are_not_the_api(allow: Allow, acme_client: Client) -> None:
    allow([SHOP])
    assert "Access-Control-Allow-Origin" not in acme_client.get("/", headers=ORIGIN)


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://shop.example.com/", "http://shop.example.com", "shop", "https://"],
)
def test_what_is_no_origin(allow: Allow, origin: str) -> None:
    with pytest.raises(ValidationError, match="not the origin of a site"):
        allow([origin])


def test_settings_page_takes_the_list(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("owner")
    data = {
        "name": "Acme",
        "language": "en",
        "time_zone": "UTC",
        "currency": "EUR",
        "api_origins": f"{SHOP},http://localhost:3000",
    }
    answer = client.post("/admin/workspace/workspace/1/change/", data)
    assert answer.status_code == 302, answer.content.decode()
    from tenant_apps.workspace.models import Workspace

    with context.run_in(acme):
        assert Workspace.objects.get().api_origins == [SHOP, "http://localhost:3000"]
