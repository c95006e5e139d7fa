"""Two people change one thing: ETag, If-Match, If-None-Match."""

import pytest
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import writing
from tenant_apps.articles.models import Article
from tests.tenant_apps.api.conftest import JSON
from tests.tenant_apps.conftest import LoggedIn, People, make_article


@pytest.fixture
def path(acme: TenantRef, acme_people: People) -> str:
    with context.run_in(acme):
        return f"/api/v1/articles/{make_article(acme_people['editor']).pk}/"


def test_change_of_what_was_read(path: str, as_role: LoggedIn) -> None:
    client = as_role("editor")
    etag = client.get(path)["ETag"]
    changed = client.patch(path, {"title": "A"}, headers={"If-Match": etag}, **JSON)
    assert changed.status_code == 200
    again = client.patch(path, {"title": "B"}, headers={"If-Match": etag}, **JSON)
    assert again.status_code == 412
    assert again.json()["type"].endswith("somebody-else-saved")
    assert client.get(path).json()["title"] == "A"
    # The answer to the change has the next one's.
    newer = {"If-Match": changed["ETag"]}
    assert client.patch(path, {"title": "C"}, headers=newer, **JSON).status_code == 200


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ("*", 200),
        ('"nothing"', 412),
        ('W/"x"', 412),
        ('"x", "y"', 412),
        ("x", 400),
        ("", 400),
        ('"x', 400),
    ],
)
def test_tags_of_all_kinds(path: str, as_role: LoggedIn, tag: str, status: int) -> None:
    answer = as_role("editor").patch(path, {"title": "A"}, headers={"If-Match": tag}, **JSON)
    assert answer.status_code == status


def test_weak_tag_never_lets_a_change_through(path: str, as_role: LoggedIn) -> None:
    client = as_role("editor")
    weak = f"W/{client.get(path)['ETag']}"
    answer = client.patch(path, {"title": "A"}, headers={"If-Match": weak}, **JSON)
    assert answer.status_code == 412


def test_tag_of_a_sparse_answer_is_good_too(path: str, as_role: LoggedIn) -> None:
    client = as_role("editor")
    whole, sparse = client.get(path), client.get(f"{path}?fields=id,title")
    assert whole["ETag"] != sparse["ETag"]
    headers = {"If-Match": sparse["ETag"]}
    assert client.patch(path, {"title": "A"}, headers=headers, **JSON).status_code == 200


def test_deletion_of_what_somebody_changed(
    acme: TenantRef, acme_people: People, path: str, as_role: LoggedIn
) -> None:
    client = as_role("editor")
    etag = client.get(path)["ETag"]
    with context.run_in(acme):
        writing.change_article(
            article=Article.objects.get(), by=acme_people["owner"], changes={"title": "New"}
        )
    assert client.delete(path, headers={"If-Match": etag}).status_code == 412
    with context.run_in(acme):
        assert Article.objects.count() == 1


def test_answer_that_the_client_has(path: str, acme_client: Client) -> None:
    first = acme_client.get(path)
    second = acme_client.get(path, headers={"If-None-Match": first["ETag"]})
    assert (second.status_code, second.content) == (304, b"")
    assert second["ETag"] == first["ETag"]
    assert first["Cache-Control"] == "private, no-cache"
    lists = acme_client.get("/api/v1/articles/")
    same = acme_client.get("/api/v1/articles/", headers={"If-None-Match": lists["ETag"]})
    assert same.status_code == 304


def test_change_without_the_header_where_it_is_needed(as_role: LoggedIn) -> None:
    client = as_role("member")
    refused = client.patch("/api/v1/me/", {"location": "Oslo"}, **JSON)
    assert refused.status_code == 428
    etag = client.get("/api/v1/me/")["ETag"]
    changed = client.patch("/api/v1/me/", {"location": "Oslo"}, headers={"If-Match": etag}, **JSON)
    assert (changed.status_code, changed.json()["location"]) == (200, "Oslo")
