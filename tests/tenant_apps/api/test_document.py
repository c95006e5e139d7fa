"""The API's own document and the page that shows it."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, get_resolver

from tests.tenant_apps.conftest import LoggedIn, People


def test_document_is_openapi_and_whole(acme_people: People, acme_client: Client) -> None:
    answer = acme_client.get("/api/v1/openapi.json")
    document = answer.json()
    assert document["openapi"] == "3.1.0"
    listed = set(document["paths"])
    # Every endpoint of the routes is in it, and nothing that is a page.
    for pattern in get_resolver("tenant_apps.workspace.api_urls").url_patterns:
        assert isinstance(pattern, URLPattern)
        view = getattr(pattern.callback, "cls", None)
        if view is None or view.__name__ == "Document":
            continue
        route = "/api/v1/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        assert re.sub(r"\{\w+\}", "{}", route) in {re.sub(r"\{\w+\}", "{}", one) for one in listed}
    assert all(path.startswith("/api/v1/") for path in listed)


def test_every_operation_tells_its_errors_in_one_shape(
    acme_people: People, acme_client: Client
) -> None:
    document = acme_client.get("/api/v1/openapi.json").json()
    operations = [
        operation
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]
    assert len(operations) > 30
    for operation in operations:
        for status in ("400", "401", "403", "404", "429", "500"):
            assert operation["responses"][status] == {"$ref": "#/components/responses/Problem"}
    problem = document["components"]["responses"]["Problem"]["content"]
    assert set(problem) == {"application/problem+json"}


def test_writing_operations_take_the_headers(acme_people: People, acme_client: Client) -> None:
    paths = acme_client.get("/api/v1/openapi.json").json()["paths"]

    def parameters(path: str, method: str) -> dict[str, bool]:
        listed = paths[path][method].get("parameters", [])
        return {one["name"]: one.get("required", False) for one in listed}

    assert parameters("/api/v1/invitations/", "post")["Idempotency-Key"] is False
    assert parameters("/api/v1/people/{id}/", "patch")["If-Match"] is True
    assert parameters("/api/v1/me/", "patch")["If-Match"] is True
    assert parameters("/api/v1/articles/{id}/", "patch")["If-Match"] is True
    assert parameters("/api/v1/articles/{id}/", "delete")["If-Match"] is False
    assert "fields" in parameters("/api/v1/people/", "get")
    # What is shown once is kept nowhere; who logs in is nobody yet.
    for path in ("me/tokens", "auth/log-in"):
        assert "Idempotency-Key" not in parameters(f"/api/v1/{path}/", "post")


@pytest.mark.parametrize("path", ["articles", "people", "me", "auth/log-in"])
def test_options_tells_the_methods(acme_people: People, as_role: LoggedIn, path: str) -> None:
    answer = as_role("owner").options(f"/api/v1/{path}/")
    assert answer.status_code == 200
    assert "OPTIONS" in answer["Allow"]


def test_page_loads_nothing_from_elsewhere(acme_people: People, acme_client: Client) -> None:
    answer = acme_client.get("/api/v1/docs/")
    page = answer.content.decode()
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", page), "no script in the page itself"
    assert "style=" not in page
    files = re.findall(r'(?:src|href)="/static/([^"#]+)', page)
    assert any("swagger-ui-bundle" in name for name in files)
    for name in files:
        assert finders.find(name), name


@pytest.mark.parametrize("accept", ["application/json", "application/vnd.oai.openapi", "*/*"])
def test_document_comes_as_whatever_is_asked_for(
    acme_people: People, acme_client: Client, accept: str
) -> None:
    answer = acme_client.get("/api/v1/openapi.json", headers={"accept": accept})
    assert answer.status_code == 200
