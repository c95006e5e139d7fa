"""What docs/tenants/api.md promises, taken from the page itself."""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Category
from tenant_apps.users.scopes import registered_scopes
from tests.tenant_apps.api.conftest import Program
from tests.tenant_apps.conftest import PASSWORD, People, make_article, make_product

PAGE = (Path(settings.BASE_DIR) / "docs/tenants/api.md").read_text()
JSON: dict[str, Any] = {"content_type": "application/json"}
READS = re.findall(r"^    GET (/api/v1/\S+)$", PAGE, re.MULTILINE)


def _example(request_line: str) -> Any:
    """The JSON that stands below a request of the page."""
    after = PAGE[PAGE.index(request_line) :]
    found = re.search(r"^    (\{.*?\})$", after, re.MULTILINE | re.DOTALL)
    assert found is not None, request_line
    return json.loads(found.group(1))


@pytest.fixture
def program(acme: TenantRef, acme_people: People, program_of: Program) -> Client:
    with context.run_in(acme):
        Category.objects.create(name="Workshop", slug="workshop")
        make_article(acme_people["editor"])
        make_product("Mug")
    return program_of("editor")


def test_page_has_examples() -> None:
    assert len(READS) >= 4


@pytest.mark.parametrize("path", READS)
def test_what_is_read_is_answered(program: Client, path: str) -> None:
    answer = program.get(path)
    assert answer.status_code == 200
    assert {"next", "previous", "results"} <= set(answer.json())


def test_log_in_gives_a_pair(acme_people: People, acme_client: Client) -> None:
    told = _example("POST /api/v1/auth/log-in/")
    assert set(told) == {"email", "password"}
    pair = acme_client.post(
        "/api/v1/auth/log-in/", {"email": "editor@acme.example", "password": PASSWORD}, **JSON
    ).json()
    assert (set(pair), pair["expires_in"]) == ({"access", "refresh", "expires_in"}, 600)


def test_article_is_written_and_changed_once(program: Client) -> None:
    told = _example("POST /api/v1/articles/\n")
    headers = {"Idempotency-Key": "article-1"}
    made, again = (
        program.post("/api/v1/articles/", told, headers=headers, **JSON) for _ in range(2)
    )
    assert (made.status_code, again.json()) == (201, made.json())
    path = f"/api/v1/articles/{made.json()['id']}/"
    changes = _example("PATCH /api/v1/articles/<id>/")
    assert program.patch(path, changes, **JSON).status_code == 428
    etag = program.get(path).headers["ETag"]
    changed = program.patch(path, changes, headers={"If-Match": etag}, **JSON)
    assert changed.json()["title"] == changes["title"]
    late = program.patch(path, {"title": "Late"}, headers={"If-Match": etag}, **JSON)
    assert late.status_code == 412
    anyway = program.patch(path, {"title": "Late"}, headers={"If-Match": "*"}, **JSON)
    assert anyway.status_code == 200


def test_error_looks_as_on_the_page(program: Client) -> None:
    told = json.loads(
        re.sub(r'"urn:uuid:…"', '"x"', re.search(r'\{"type".*?\}\n', PAGE, re.S).group(0))  # type: ignore[union-attr]
    )
    answer = program.post("/api/v1/articles/", {}, **JSON).json()
    assert set(answer) == set(told)
    assert {**answer, "instance": "x"} == {**told, "instance": "x"}


def test_scopes_of_the_page_are_known() -> None:
    named = set(re.findall(r"`(\w+:(?:read|write))`", PAGE))
    assert named
    assert named <= {scope.name for scope in registered_scopes()}


@pytest.mark.parametrize(
    "query", ["page_size=0", "page_size=101", "ordering=body", "state=burnt", "category=nowhere",
              "tag=nowhere", "author=nobody", "published_to=0001-01-01T00:00:00%2B10:00",
              "published_from=tomorrow", "fields=secret"],
)  # fmt: skip
def test_parameter_that_cannot_be_is_blamed(program: Client, query: str) -> None:
    answer = program.get(f"/api/v1/articles/?{query}")
    assert answer.status_code == 400
    assert [one["parameter"] for one in answer.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize("position", ["2030-01-01T00:00:00-23:14", "x", "9" * 40])
def test_cursor_that_says_no_moment_is_blamed(program: Client, position: str) -> None:
    cursor = b64encode(f"p={position}".encode()).decode()
    answer = program.get("/api/v1/articles/", {"ordering": "updated_at", "cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "cursor"


def test_wrong_parameters_are_all_told(program: Client) -> None:
    answer = program.get("/api/v1/products/?state=burnt&rating_from=9&featured=maybe").json()
    assert {one["parameter"] for one in answer["errors"]} == {"state", "rating_from", "featured"}
