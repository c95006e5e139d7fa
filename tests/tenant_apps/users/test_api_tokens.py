"""Tokens that people give to their programs."""

import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users import api_tokens, membership
from tenant_apps.users.errors import NotAllowed, TokenOfAnotherWorkspace
from tenant_apps.users.models import ApiToken, User
from tenant_apps.users.scopes import ScopeUnknown
from tests.tenant_apps.conftest import PASSWORD, LoggedIn, People, make_article, make_steward

WEEK = timedelta(days=7)
JSON = {"content_type": "application/json"}


def issue(person: User, *scopes: str) -> tuple[ApiToken, str]:
    """Inside the tenant."""
    return api_tokens.issue_token(
        person=person, name="Sync", scopes=scopes or ("articles:write",), lifetime=WEEK
    )


def bearer(client: Client, text: str) -> Client:
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    return client


@pytest.fixture
def token(acme: TenantRef, acme_people: People) -> tuple[ApiToken, str]:
    """The author's, for writing articles."""
    with context.run_in(acme):
        return issue(acme_people["author"])


def test_token_acts_for_its_person(
    acme: TenantRef, token: tuple[ApiToken, str], acme_client: Client
) -> None:
    client = bearer(acme_client, token[1])
    answer = client.post("/api/v1/articles/", {"title": "By a program"}, **JSON)
    assert answer.status_code == 201
    assert answer.json()["author"]["full_name"] == "Author of Acme"
    refused = client.post(f"/api/v1/articles/{answer.json()['id']}/nothing/")
    assert refused.status_code == 404


def test_database_holds_nothing_that_opens(in_acme: TenantRef, token: tuple[ApiToken, str]) -> None:
    row, text = token
    secret = text.split("_", 3)[3]
    assert len(secret) >= 43
    kept = str(ApiToken.objects.values().get()) + str(list(Entry.objects.values()))
    assert secret not in kept
    assert row.prefix in text


def test_token_of_another_workspace_is_refused_by_name(
    token: tuple[ApiToken, str], globex: TenantRef, globex_people: People, globex_client: Client
) -> None:
    with CaptureQueriesContext(connection) as captured:
        answer = bearer(globex_client, token[1]).get("/api/v1/articles/")
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:terrace:problem:token-of-another-workspace"
    assert "belongs to another workspace" in answer.json()["detail"]
    assert not any("apitoken" in query["sql"] for query in captured)


def test_copied_row_opens_nothing_elsewhere(
    token: tuple[ApiToken, str], globex: TenantRef, globex_people: People, globex_client: Client
) -> None:
    """The same row in the neighbour's schema, and the token with the neighbour's uuid in it."""
    row, text = token
    with context.run_in(globex):
        ApiToken.objects.bulk_create(
            [
                ApiToken(
                    person=globex_people["author"],
                    **{
                        name: getattr(row, name)
                        for name in ("name", "prefix", "token_hash", "scopes", "expires_at")
                    },
                )
            ]
        )
        with pytest.raises(TokenOfAnotherWorkspace):
            api_tokens.find_token(text)
    moved = "_".join(["terrace", globex.uuid.hex, *text.split("_", 3)[2:]])
    answer = bearer(globex_client, moved).get("/api/v1/articles/")
    assert answer.json()["type"] == "urn:terrace:problem:token-invalid"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"revoked_at": timezone.now()}, "token-revoked"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "token-expired"),
        ({"token_hash": "0" * 64}, "token-invalid"),
        ({"prefix": "another"}, "token-invalid"),
    ],
)
def test_token_that_is_over(
    acme: TenantRef,
    token: tuple[ApiToken, str],
    acme_client: Client,
    change: dict[str, object],
    name: str,
) -> None:
    with context.run_in(acme):
        ApiToken.objects.update(**change)
    answer = bearer(acme_client, token[1]).get("/api/v1/articles/")
    assert (answer.status_code, answer.json()["type"]) == (401, f"urn:terrace:problem:{name}")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "text",
    [
        "terrace_",
        "terrace_x_y_z",
        "x",
        "a b",
        "x" * 5000,
        "terrace_" + "0" * 32,
        "é",
        "..",
        "a.b.c",
    ],
)
def test_what_is_no_token(acme_people: People, acme_client: Client, text: str) -> None:
    answer = bearer(acme_client, text).get("/api/v1/articles/")
    assert (answer.status_code, answer.json()["status"]) == (401, 401)


def test_token_of_somebody_who_left(
    acme: TenantRef, acme_people: People, token: tuple[ApiToken, str], acme_client: Client
) -> None:
    with context.run_in(acme):
        membership.deactivate_person(person=acme_people["author"], by=acme_people["owner"])
    assert bearer(acme_client, token[1]).get("/api/v1/articles/").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        (("articles:read",), 200, 403),
        (("articles:write",), 200, 201),
        (("products:write",), 403, 403),
        (("articles:read", "products:write"), 200, 403),
    ],
)
def test_scope_bounds_what_the_person_may(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    scopes: tuple[str, ...],
    reads: int,
    writes: int,
) -> None:
    with context.run_in(acme):
        client = bearer(acme_client, issue(acme_people["author"], *scopes)[1])
    assert client.get("/api/v1/articles/").status_code == reads
    answer = client.post("/api/v1/articles/", {"title": "x"}, **JSON)
    assert answer.status_code == writes
    if writes == 403:
        told = answer.json()
        assert told["type"] == "urn:terrace:problem:scope-missing"
        assert (told["needed"], told["granted"]) == ("articles:write", sorted(scopes))
        assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]


def test_scope_gives_no_more_than_the_role(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        text = issue(acme_people["member"], "articles:write", "users:write")[1]
    client = bearer(acme_client, text)
    assert client.post("/api/v1/articles/", {"title": "x"}, **JSON).status_code == 403
    assert client.get("/api/v1/people/").status_code == 403


def test_use_is_noted_once_a_minute(
    acme: TenantRef, token: tuple[ApiToken, str], acme_client: Client
) -> None:
    client = bearer(acme_client, token[1])
    client.get("/api/v1/articles/")
    with context.run_in(acme):
        noted = ApiToken.objects.get()
    assert noted.last_used_at is not None
    assert noted.last_used_from == "127.0.0.1"
    with CaptureQueriesContext(connection) as captured:
        client.get("/api/v1/articles/")
    asked = [query["sql"] for query in captured if "apitoken" in query["sql"]]
    assert len(asked) == 1, "the token, its person and their role in one query"


def test_token_has_no_csrf_to_pass(
    acme: TenantRef, acme_people: People, token: tuple[ApiToken, str]
) -> None:
    client = bearer(Client(enforce_csrf_checks=True, headers={"host": acme.hostname}), token[1])
    assert client.post("/api/v1/articles/", {"title": "x"}, **JSON).status_code == 201


# --- Making and revoking ---------------------------------------------------------------------------


def test_making_and_revoking_is_in_the_trail(in_acme: TenantRef, acme_people: People) -> None:
    row, _ = issue(acme_people["author"])
    api_tokens.revoke_token(token=row, by=acme_people["author"])
    assert [entry.verb for entry in Entry.objects.filter(verb__startswith="token.")] == [
        "token.revoked",
        "token.issued",
    ]


@pytest.mark.parametrize("scopes", [[], ["nothing:read"], ["articles"]])
def test_scopes_that_cannot_be(in_acme: TenantRef, acme_people: People, scopes: list[str]) -> None:
    with pytest.raises(ScopeUnknown):
        api_tokens.issue_token(person=acme_people["author"], name="x", scopes=scopes, lifetime=WEEK)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=366)])
def test_lifetime_that_cannot_be(
    in_acme: TenantRef, acme_people: People, lifetime: timedelta
) -> None:
    with pytest.raises(ValidationError):
        api_tokens.issue_token(
            person=acme_people["author"], name="x", scopes=["users:read"], lifetime=lifetime
        )


def test_as_many_as_one_may_have(in_acme: TenantRef, acme_people: People) -> None:
    rows = [issue(acme_people["author"])[0] for _ in range(api_tokens.MOST_OPEN)]
    with pytest.raises(api_tokens.TooManyTokens):
        issue(acme_people["author"])
    api_tokens.revoke_token(token=rows[0], by=acme_people["author"])
    issue(acme_people["author"])


def test_others_token_is_revoked_by_whoever_may_manage_them(
    in_acme: TenantRef, acme_people: People
) -> None:
    editors, _ = issue(acme_people["editor"])
    owners, _ = issue(acme_people["owner"])
    steward = make_steward(acme_people)
    with pytest.raises(NotAllowed):
        api_tokens.revoke_token(token=owners, by=steward)
    with pytest.raises(NotAllowed):
        api_tokens.revoke_token(token=editors, by=acme_people["author"])
    assert api_tokens.revoke_token(token=editors, by=acme_people["admin"]).revoked_at


# --- The page, the API and the admin ---------------------------------------------------------------


def test_page_shows_a_new_token_once(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("author")
    data = {"name": "Stock  sync", "scopes": ["articles:read"], "days": "30"}
    asked = client.post("/account/tokens/", data)
    assert asked.status_code == 302
    assert "/account/reauthenticate/" in asked["Location"], "a session that lies open makes none"
    answer = client.post(asked["Location"], {"password": PASSWORD})
    found = re.search(r"terrace_[0-9a-f]{32}_\w{10}_[\w-]{43}", answer.content.decode())
    assert found is not None, (answer, answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    page = client.get("/account/tokens/").content.decode()
    assert "Stock sync" in page
    assert found[0] not in page
    with context.run_in(acme):
        row = api_tokens.find_token(found[0])
        assert (row.scopes, (row.expires_at - row.created_at).days) == (["articles:read"], 30)
    gone = client.post(f"/account/tokens/{row.pk}/revoke/", follow=True)
    assert "opens nothing any more" in gone.content.decode()
    with context.run_in(acme):
        assert ApiToken.objects.get().state == "revoked"


def test_page_of_another_persons_token(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        row, _ = issue(acme_people["owner"])
    assert as_role("author").post(f"/account/tokens/{row.pk}/revoke/").status_code == 404


def test_api_makes_lists_and_revokes(as_role: LoggedIn) -> None:
    client = as_role("author")
    data = {"name": "Sync", "scopes": ["articles:read"], "days": 7}
    made = client.post("/api/v1/me/tokens/", data, **JSON).json()
    assert made["token"].startswith("terrace_")
    (listed,) = client.get("/api/v1/me/tokens/").json()["results"]
    assert "token" not in listed
    assert (listed["id"], listed["state"]) == (made["id"], "open")
    assert client.delete(f"/api/v1/me/tokens/{made['id']}/").status_code == 204
    assert client.get("/api/v1/me/tokens/").json()["results"][0]["state"] == "revoked"
    other = as_role("editor")
    assert other.delete(f"/api/v1/me/tokens/{made['id']}/").status_code == 404


def test_token_makes_no_tokens(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    with context.run_in(acme):
        text = issue(acme_people["owner"], "users:write")[1]
    data = {"name": "More", "scopes": ["articles:write"], "days": 365}
    answer = bearer(acme_client, text).post("/api/v1/me/tokens/", data, **JSON)
    assert (answer.status_code, answer.json()["detail"][:12]) == (403, "A token make")


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("editor", 403)])
def test_admin_lists_and_revokes(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str, status: int
) -> None:
    with context.run_in(acme):
        row, _ = issue(acme_people["author"])
    client = as_role(role)
    assert client.get("/admin/users/apitoken/").status_code == status
    client.post("/admin/users/apitoken/", {"action": "revoke", "_selected_action": [str(row.pk)]})
    with context.run_in(acme):
        assert bool(ApiToken.objects.get().revoked_at) is (status == 200)


@pytest.mark.parametrize("rows", [1, 3])
def test_list_asks_as_much_for_three_as_for_one(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, rows: int
) -> None:
    client = as_role("author")
    with context.run_in(acme):
        for _ in range(rows):
            issue(acme_people["author"])
            make_article(acme_people["author"])
    with CaptureQueriesContext(connection) as captured:
        assert len(client.get("/api/v1/me/tokens/").json()["results"]) == rows
    assert len(captured) == 5, "host, savepoint, person, tokens, end of the savepoint"
