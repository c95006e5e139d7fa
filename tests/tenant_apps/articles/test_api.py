from typing import Any

import pytest
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Category
from tests.tenant_apps.conftest import LoggedIn, People, make_article

JSON = {"content_type": "application/json"}
ANY: dict[str, Any] = {**JSON, "headers": {"If-Match": "*"}}


def test_list_goes_from_page_to_page(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        made = [make_article(acme_people["author"], f"A{n}").title for n in range(5)]
    seen: list[str] = []
    address = "/api/v1/articles/?page_size=2"
    while address:
        answer = acme_client.get(address).json()
        seen += [article["title"] for article in answer["results"]]
        address = answer["next"]
    assert seen == made[::-1]


def test_list_tells_nobodys_address(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
    for path in ("/api/v1/articles/", f"/api/v1/articles/{article.pk}/"):
        assert "@" not in acme_client.get(path).content.decode()


def test_article_is_written_and_changed(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("author")
    with context.run_in(acme):
        Category.objects.create(name="Workshop", slug="workshop")
    data = {"title": "By API", "body": "*x*", "category": "workshop", "tags": ["a", "b"]}
    begun = client.post("/api/v1/articles/", data, **JSON).json()
    assert (begun["state"], begun["category"], begun["tags"]) == ("draft", "workshop", ["a", "b"])
    assert begun["html"].strip() == "<p><em>x</em></p>"
    path = f"/api/v1/articles/{begun['id']}/"
    changed = client.patch(path, {"title": "Better", "version": begun["version"]}, **ANY)
    assert changed.json()["title"] == "Better"
    conflict = client.patch(path, {"title": "Worse", "version": begun["version"]}, **ANY)
    assert conflict.status_code == 409
    assert "Somebody else has saved this article" in conflict.json()["detail"]
    assert client.post(f"{path}publish/").json()["state"] == "published"
    assert client.post(f"{path}publish/").status_code == 409
    assert client.delete(path).status_code == 403, "what was read is deleted by editors"
    assert as_role("editor").delete(path).status_code == 204


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "x", "category": "nowhere"}, "category"),
        ({"title": "x", "slug": "a b"}, "slug"),
        ({"title": "x", "tags": "clay"}, "tags"),
    ],
)
def test_input_that_cannot_be(as_role: LoggedIn, data: dict[str, object], field: str) -> None:
    answer = as_role("author").post("/api/v1/articles/", data, **JSON)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith(f"#/{field}")


def test_category_of_another_tenant_is_unknown(globex: TenantRef, as_role: LoggedIn) -> None:
    with context.run_in(globex):
        Category.objects.create(name="Theirs", slug="theirs")
    answer = as_role("author").post(
        "/api/v1/articles/", {"title": "x", "category": "theirs"}, **JSON
    )
    assert answer.status_code == 400


def test_throttle_counts_for_each_tenant_alone(
    acme_people: People,
    acme_client: Client,
    globex_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rest_framework.throttling import AnonRateThrottle

    monkeypatch.setattr(AnonRateThrottle, "get_rate", lambda self: "2/min")
    answers = [acme_client.get("/api/v1/articles/").status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert globex_client.get("/api/v1/articles/").status_code == 200


def test_forged_request_of_another_site_changes_nothing(
    acme: TenantRef, acme_people: People
) -> None:
    client = Client(enforce_csrf_checks=True, headers={"host": acme.hostname})
    with context.run_in(acme):
        client.force_login(acme_people["editor"], "tenant_apps.users.backends.EmailBackend")
    answer = client.post("/api/v1/articles/", {"title": "x"}, **JSON)
    assert answer.status_code == 403
