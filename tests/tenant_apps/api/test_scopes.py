"""What a token needs for each operation of the document."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from tenant_apps.users.scopes import registered_scopes
from tests.tenant_apps.api.conftest import Program
from tests.tenant_apps.conftest import People

# The beginning of an address, and the app whose scopes it needs; None for everybody.
APPS: dict[str, str | None] = {
    "articles": "articles",
    "article-categories": "articles",
    "tags": "articles",
    "old-addresses": "articles",
    "comments": "articles",
    "subscribers": "articles",
    "pictures": "articles",
    "products": "products",
    "product-categories": "products",
    "product-imports": "products",
    "reviews": "products",
    "stock-alerts": "products",
    "me": "users",
    "people": "users",
    "invitations": "users",
    "roles": "users",
    "webhooks": "activity",
    "workspace": "workspace",
    "stats": "workspace",
    "auth": None,
}


def operations() -> list[tuple[str, str]]:
    """Method and path of each, with keys that nobody has."""
    generator: Any = SchemaGenerator(urlconf=settings.TERRACE_TENANT_URLCONF)
    paths = generator.get_schema(request=None, public=True)["paths"]
    return [
        (method, re.sub(r"\{\w+\}", "0", path))
        for path, item in paths.items()
        for method in ("get", "post", "put", "patch", "delete")
        if method in item
    ]


def _path(path: str) -> str:
    """A number where the address has numbers, a UUID where it has those."""
    numbers = ("article-categories", "tags", "old-addresses", "product-categories", "roles")
    key = "1" if path.split("/")[3] in numbers else "00000000-0000-7000-8000-000000000000"
    head, *rest = path.split("/0/")
    # A revision's number comes second.
    filled = head
    for part in rest:
        filled += "/1/" if filled.endswith("revisions") else f"/{key}/"
        filled += part
    return filled


def test_every_beginning_is_in_the_table() -> None:
    assert {path.split("/")[3] for _, path in operations()} == set(APPS)


def test_each_operation_needs_its_apps_scope(acme_people: People, program_of: Program) -> None:
    everything = {one.name for one in registered_scopes()}
    clients: dict[str, Client] = {}
    wrong = []
    for method, path in operations():
        app = APPS[path.split("/")[3]]
        if app is None:
            continue
        needed = f"{app}:{'read' if method == 'get' else 'write'}"
        enough = {needed, f"{app}:write"}
        if needed not in clients:
            clients[needed] = program_of("owner", *(everything - enough))
        answer = getattr(clients[needed], method)(_path(path), content_type="application/json")
        told = answer.json()
        if (answer.status_code, told.get("needed")) != (403, needed):
            wrong.append((method, path, answer.status_code, told.get("needed")))
    assert wrong == []


@pytest.mark.parametrize("app", ["articles", "products", "users"])
def test_scope_to_read_opens_what_is_read(
    acme_people: People, program_of: Program, app: str
) -> None:
    """The control of the test above: with its scope alone, each is let through to the endpoint."""
    client = program_of("owner", f"{app}:read")
    asked = 0
    for method, path in operations():
        if method == "get" and APPS[path.split("/")[3]] == app:
            answer = client.get(_path(path))
            assert answer.status_code in {200, 404}, (path, answer.content)
            asked += 1
    assert asked > 5
