"""GET and PATCH of /api/v1/workspace/."""

from datetime import timedelta
from typing import Any

import pytest

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users import api_tokens
from tenant_apps.workspace import branding
from tenant_apps.workspace.models import Workspace
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import LoggedIn, People
from tests.tenant_apps.problems import sentences

PATH = "/api/v1/workspace/"
JSON: dict[str, Any] = {"content_type": "application/json"}


@pytest.mark.parametrize(
    ("role", "status"),
    [("visitor", 401), ("member", 403), ("author", 403), ("editor", 403), ("admin", 200),
     ("owner", 200)],
)  # fmt: skip
def test_who_reads_and_changes(as_role: LoggedIn, role: str, status: int) -> None:
    client = as_role(role)
    assert client.get(PATH).status_code == status
    answer = client.patch(PATH, {"tagline": "x"}, headers={"if-match": "*"}, **JSON)
    assert answer.status_code == status


def test_settings_are_changed_once_with_their_etag(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    owner = as_role("owner")
    first = owner.get(PATH)
    assert first.json()["currency"] == "EUR"
    assert owner.patch(PATH, {"currency": "CHF"}, **JSON).status_code == 428
    match = {"if-match": first["ETag"]}
    changed = owner.patch(
        PATH, {"currency": "CHF", "mail_from_name": "Olga"}, headers=match, **JSON
    )
    assert (changed.status_code, changed.json()["currency"]) == (200, "CHF")
    assert owner.patch(PATH, {"currency": "USD"}, headers=match, **JSON).status_code == 412
    fresh = {"if-match": changed["ETag"]}
    assert owner.patch(PATH, {"currency": "USD"}, headers=fresh, **JSON).status_code == 200
    with context.run_in(acme):
        workspace = Workspace.objects.get()
        assert (workspace.currency, workspace.mail_from_name) == ("USD", "Olga")
        assert Entry.objects.filter(verb="workspace.changed").count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"currency": "EURO"}, "currency"),
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"language": "xx"}, "language"),
        ({"name": ""}, "name"),
        ({"mail_from_name": "a\nBcc: b"}, "mail_from_name"),
        ({"mail_reply_to": "nobody"}, "mail_reply_to"),
        ({"api_origins": ["http://evil.example"]}, "api_origins"),
    ],
)
def test_value_that_cannot_be(as_role: LoggedIn, body: dict[str, Any], field: str) -> None:
    answer = as_role("owner").patch(PATH, body, headers={"if-match": "*"}, **JSON)
    assert answer.status_code == 400
    assert any(name.startswith(field) for name in sentences(answer))


def test_what_may_not_be_set_stays(acme: TenantRef, as_role: LoggedIn) -> None:
    body = {"closed_at": "2026-01-01T00:00:00Z", "look": {"theme": "window"}, "id": 2}
    answer = as_role("owner").patch(PATH, body, headers={"if-match": "*"}, **JSON)
    assert answer.status_code == 200
    with context.run_in(acme):
        assert (Workspace.objects.get().closed_at, Workspace.objects.get().look) == (None, None)


def test_look_is_told_as_it_is_published(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    owner = as_role("owner")
    before = owner.get(PATH)
    assert before.json()["look"]["theme"] == "house"
    with context.run_in(acme):
        branding.change_look(changes={"theme": "window"}, by=acme_people["owner"])
        branding.publish_look(by=acme_people["owner"])
    after = owner.get(PATH)
    assert after.json()["look"]["theme"] == "window"
    assert after["ETag"] != before["ETag"]


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [
        ("workspace:read", (200, 403)),
        ("workspace:write", (200, 200)),
        ("articles:write", (403, 403)),
    ],
)
def test_token_needs_the_scope(
    acme: TenantRef,
    acme_people: People,
    client_of: ClientMaker,
    scope: str,
    statuses: tuple[int, int],
) -> None:
    with context.run_in(acme):
        _, text = api_tokens.issue_token(
            person=acme_people["owner"], name="x", scopes=[scope], lifetime=timedelta(days=1)
        )
    client, headers = client_of(acme), {"authorization": f"Bearer {text}"}
    read = client.get(PATH, headers=headers)
    written = client.patch(PATH, {"tagline": "x"}, headers=headers | {"if-match": "*"}, **JSON)
    assert (read.status_code, written.status_code) == statuses
