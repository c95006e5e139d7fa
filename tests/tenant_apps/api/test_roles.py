"""Role × endpoint: who may do what, for articles and products. One row of the table is one request.

A request is asked with something that is there; it is undone afterwards.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tests.tenant_apps.api.planted import plant
from tests.tenant_apps.conftest import LoggedIn, People

ROLES = ("visitor", "member", "author", "editor", "admin", "owner")
JSON: dict[str, Any] = {"content_type": "application/json", "headers": {"If-Match": "*"}}
# Statuses by role, in the order of ROLES.
READ_BY_ALL = (200, 200, 200, 200, 200, 200)
WRITERS = (401, 403, 201, 201, 201, 201)
WRITERS_READ = (401, 403, 200, 200, 200, 200)
EDITORS = (401, 403, 403, 200, 200, 200)
EDITORS_ADD = (401, 403, 403, 201, 201, 201)
EDITORS_DELETE = (401, 403, 403, 204, 204, 204)
# An endpoint that shows nothing to others says that there is nothing.
FOUND_BY_EDITORS = (404, 404, 404, 200, 200, 200)
CHANGED_BY_EDITORS = (401, 404, 404, 200, 200, 200)
ADMINS = (401, 403, 403, 403, 200, 200)
FOUND_BY_ADMINS = (404, 404, 404, 404, 200, 200)
DELETED_BY_ADMINS = (401, 404, 404, 404, 204, 204)

Row = tuple[str, str, dict[str, object] | None, tuple[int, ...]]
TABLE: list[Row] = [
    ("get", "articles/", None, READ_BY_ALL),
    ("get", "articles/search/?search=first", None, READ_BY_ALL),
    ("get", "articles/{article}/", None, READ_BY_ALL),
    ("post", "articles/", {"title": "x", "body": "x"}, WRITERS),
    ("patch", "articles/{article}/", {"title": "x"}, EDITORS),
    ("delete", "articles/{article}/", None, EDITORS_DELETE),
    ("post", "articles/{article}/unpublish/", {}, EDITORS),
    ("post", "articles/{article}/archive/", {}, EDITORS),
    ("get", "articles/{article}/revisions/", None, FOUND_BY_EDITORS),
    ("get", "articles/{article}/revisions/1/", None, FOUND_BY_EDITORS),
    ("get", "articles/{article}/revisions/1/difference/?against=now", None, FOUND_BY_EDITORS),
    ("post", "articles/{article}/revisions/1/restore/", {}, CHANGED_BY_EDITORS),
    ("get", "articles/{article}/comments/", None, READ_BY_ALL),
    ("post", "articles/{article}/comments/", {"body": "Hm."}, (401, 201, 201, 201, 201, 201)),
    ("delete", "articles/{article}/cover/", None, EDITORS_DELETE),
    ("get", "article-categories/", None, READ_BY_ALL),
    ("get", "article-categories/tree/", None, READ_BY_ALL),
    ("get", "article-categories/{category}/", None, READ_BY_ALL),
    ("post", "article-categories/", {"name": "x"}, EDITORS_ADD),
    ("patch", "article-categories/{category}/", {"name": "x"}, EDITORS),
    ("delete", "article-categories/{category}/", None, EDITORS_DELETE),
    ("get", "tags/", None, READ_BY_ALL),
    ("get", "tags/{tag}/", None, READ_BY_ALL),
    ("patch", "tags/{tag}/", {"name": "x"}, EDITORS),
    ("post", "tags/{tag}/merge/", {"into": "{clay}"}, EDITORS),
    ("delete", "tags/{tag}/", None, EDITORS_DELETE),
    ("get", "old-addresses/", None, WRITERS_READ),
    ("get", "old-addresses/{old_address}/", None, FOUND_BY_EDITORS),
    ("delete", "old-addresses/{old_address}/", None, (401, 404, 404, 204, 204, 204)),
    ("get", "comments/", None, EDITORS),
    ("get", "comments/{comment}/", None, FOUND_BY_EDITORS),
    ("post", "comments/{comment}/approve/", {}, CHANGED_BY_EDITORS),
    ("post", "comments/{comment}/reject/", {}, CHANGED_BY_EDITORS),
    ("post", "comments/bulk/", {"action": "approve", "ids": ["{comment}"]}, EDITORS),
    ("delete", "comments/{comment}/", None, (401, 404, 404, 204, 204, 204)),
    ("get", "pictures/", None, WRITERS_READ),
    ("get", "pictures/{picture}/", None, (404, 404, 200, 200, 200, 200)),
    ("get", "subscribers/", None, ADMINS),
    ("get", "subscribers/{subscriber}/", None, FOUND_BY_ADMINS),
    ("delete", "subscribers/{subscriber}/", None, DELETED_BY_ADMINS),
    ("get", "products/", None, READ_BY_ALL),
    ("get", "products/{product}/", None, READ_BY_ALL),
    ("post", "products/", {"title": "x"}, EDITORS_ADD),
    ("patch", "products/{product}/", {"title": "x"}, EDITORS),
    ("delete", "products/{product}/", None, EDITORS_DELETE),
    ("post", "products/{product}/unpublish/", {}, EDITORS),
    ("post", "products/{product}/archive/", {}, EDITORS),
    ("post", "products/{product}/feature/", {}, EDITORS),
    ("post", "products/bulk/", {"action": "archive", "ids": ["{product}"]}, EDITORS),
    ("get", "products/export/", None, EDITORS),
    ("get", "products/{product}/variants/", None, READ_BY_ALL),
    ("post", "products/{product}/variants/", {"price_minor": 1, "option1": "x"}, EDITORS_ADD),
    ("get", "products/{product}/variants/{variant}/", None, READ_BY_ALL),
    ("patch", "products/{product}/variants/{variant}/", {"price_minor": 1}, EDITORS),
    ("get", "products/{product}/variants/{variant}/movements/", None, EDITORS),
    ("post", "products/{product}/variants/{variant}/movements/", {"quantity": 4}, EDITORS_ADD),
    ("get", "products/{product}/options/", None, READ_BY_ALL),
    ("put", "products/{product}/options/", {"options": ["Size"]}, EDITORS),
    ("get", "products/{product}/images/", None, READ_BY_ALL),
    ("post", "products/{product}/images/", {"url": "https://example.com/b.jpg"}, EDITORS_ADD),
    ("get", "products/{product}/images/{image}/", None, READ_BY_ALL),
    ("patch", "products/{product}/images/{image}/", {"alt": "x"}, EDITORS),
    ("delete", "products/{product}/images/{image}/", None, EDITORS_DELETE),
    ("get", "products/{product}/reviews/", None, READ_BY_ALL),
    ("post", "products/{product}/reviews/", {"stars": 4}, (401, 201, 201, 201, 201, 201)),
    ("get", "product-categories/", None, READ_BY_ALL),
    ("get", "product-categories/tree/", None, READ_BY_ALL),
    ("get", "product-categories/{product_category}/", None, READ_BY_ALL),
    ("post", "product-categories/", {"name": "x", "slug": "x"}, EDITORS_ADD),
    ("patch", "product-categories/{product_category}/", {"name": "x"}, EDITORS),
    ("delete", "product-categories/{product_category}/", None, EDITORS_DELETE),
    ("get", "product-imports/", None, EDITORS),
    ("get", "product-imports/{import}/", None, FOUND_BY_EDITORS),
    ("get", "product-imports/{import}/changes/", None, FOUND_BY_EDITORS),
    ("get", "product-imports/{import}/problems/", None, FOUND_BY_EDITORS),
    ("get", "product-imports/{import}/faulty-rows/", None, FOUND_BY_EDITORS),
    ("post", "product-imports/{import}/start/", {}, (401, 404, 404, 409, 409, 409)),
    ("post", "product-imports/{import}/cancel/", {}, CHANGED_BY_EDITORS),
    ("get", "reviews/", None, READ_BY_ALL),
    ("get", "reviews/{review}/", None, FOUND_BY_EDITORS),
    ("post", "reviews/{review}/approve/", {}, (401, 404, 404, 409, 409, 409)),
    ("post", "reviews/{review}/refuse/", {}, CHANGED_BY_EDITORS),
    ("get", "stock-alerts/", None, EDITORS),
    ("get", "stock-alerts/watch/", None, EDITORS),
    ("put", "stock-alerts/watch/", {"watching": True}, EDITORS),
]


def _filled(told: Any, keys: dict[str, object]) -> Any:
    if isinstance(told, dict):
        return {name: _filled(value, keys) for name, value in told.items()}
    if isinstance(told, list):
        return [_filled(value, keys) for value in told]
    if isinstance(told, str):
        for name, value in keys.items():
            told = told.replace(f"{{{name}}}", str(value))
    return told


def document_of(client: Client) -> Callable[[str, str], set[str]]:
    """Gives the statuses that the document knows of a row's operation."""
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    # By their shape: names of parameters are other ones in the table, and a revision's is a number.
    shapes = {re.sub(r"\{\w+\}", "{}", path): item for path, item in paths.items()}

    def statuses(method: str, path: str) -> set[str]:
        shape = re.sub(r"\{\w+\}|(?<=/)1(?=/)", "{}", path.partition("?")[0])
        return set(shapes[f"/api/v1/{shape}"][method]["responses"])

    return statuses


@pytest.mark.parametrize("role", ROLES)
def test_role_may_do_what_the_table_says(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    from tenant_apps.articles.models import Tag

    with context.run_in(acme):
        keys = plant(acme_people, 1)
        keys["clay"] = Tag.objects.get(slug="clay").pk
    client = as_role(role)
    cookies = client.cookies.copy()
    documented = document_of(client)
    wrong = []
    for method, path, body, statuses in TABLE:
        with transaction.atomic():
            answer = getattr(client, method)(
                f"/api/v1/{_filled(path, keys)}", _filled(body, keys), **JSON
            ) if method != "get" else client.get(f"/api/v1/{_filled(path, keys)}")  # fmt: skip
            if answer.streaming:
                b"".join(answer)
            transaction.set_rollback(True)
        client.cookies = cookies.copy()
        expected = statuses[ROLES.index(role)]
        if answer.status_code != expected:
            wrong.append((method, path, answer.status_code, expected))
        elif str(expected) not in documented(method, path):
            wrong.append((method, path, expected, "is not in the document"))
    assert wrong == []
