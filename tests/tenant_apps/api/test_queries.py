"""How many statements each address that reads takes, at 1 row and at 50: the same, and this many."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, get_resolver

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tests.tenant_apps.api.conftest import Program
from tests.tenant_apps.api.planted import plant
from tests.tenant_apps.conftest import People

# Asked by an owner's program: the token and its person are one of them.
QUERIES: dict[str, int] = {
    "article-categories/": 2,
    "article-categories/<int:pk>/": 2,
    "article-categories/tree/": 2,
    "articles/": 3,
    "articles/<uuid:pk>/": 3,
    "articles/<uuid:pk>/comments/": 4,
    "articles/<uuid:pk>/revisions/": 4,
    "articles/<uuid:pk>/revisions/<int:number>/": 4,
    "articles/<uuid:pk>/revisions/<int:number>/difference/": 5,
    "articles/search/": 5,
    "comments/": 2,
    "comments/<uuid:pk>/": 2,
    "invitations/": 2,
    "invitations/<uuid:pk>/": 2,
    "me/": 1,
    "me/notifications/": 2,
    "me/sign-ins/": 2,
    "me/tokens/": 2,
    "old-addresses/": 2,
    "old-addresses/<int:pk>/": 2,
    "people/": 2,
    "people/<uuid:pk>/": 2,
    "pictures/": 2,
    "pictures/<uuid:pk>/": 2,
    "product-categories/": 2,
    "product-categories/<int:pk>/": 2,
    "product-categories/tree/": 2,
    "product-imports/": 2,
    "product-imports/<uuid:pk>/": 2,
    "product-imports/<uuid:pk>/changes/": 3,
    "product-imports/<uuid:pk>/problems/": 3,
    "products/": 5,
    "products/<uuid:pk>/": 5,
    "products/<uuid:pk>/images/": 3,
    "products/<uuid:pk>/images/<uuid:image_id>/": 3,
    "products/<uuid:pk>/options/": 3,
    "products/<uuid:pk>/reviews/": 3,
    "products/<uuid:pk>/variants/": 3,
    "products/<uuid:pk>/variants/<uuid:variant_id>/": 3,
    "products/<uuid:pk>/variants/<uuid:variant_id>/movements/": 3,
    "reviews/": 2,
    "reviews/<uuid:pk>/": 2,
    "roles/": 2,
    "roles/<int:pk>/": 2,
    "roles/permissions/": 1,
    "stock-alerts/": 2,
    "stock-alerts/watch/": 2,
    "subscribers/": 2,
    "subscribers/<uuid:pk>/": 2,
    "tags/": 2,
    "tags/<int:pk>/": 2,
    "stats/": 9,
    "webhooks/": 2,
    "webhooks/<uuid:endpoint_id>/deliveries/": 3,
    "webhooks/<uuid:endpoint_id>/deliveries/<uuid:pk>/": 2,
    "webhooks/<uuid:pk>/": 2,
    "webhooks/event-types/": 1,
    "workspace/": 2,
}
PARAMETERS: dict[str, dict[str, str]] = {
    "articles/": {"pk": "article"},
    "article-categories/": {"pk": "category"},
    "tags/": {"pk": "tag"},
    "old-addresses/": {"pk": "old_address"},
    "comments/": {"pk": "comment"},
    "pictures/": {"pk": "picture"},
    "subscribers/": {"pk": "subscriber"},
    "products/": {"pk": "product", "variant_id": "variant", "image_id": "image"},
    "product-categories/": {"pk": "product_category"},
    "product-imports/": {"pk": "import"},
    "reviews/": {"pk": "review"},
    "people/": {"pk": "person"},
    "roles/": {"pk": "role"},
    "invitations/": {"pk": "invitation"},
    "webhooks/<uuid:endpoint_id>/": {"endpoint_id": "webhook", "pk": "delivery"},
    "webhooks/": {"pk": "webhook"},
}
# Streams, whose statements grow with what they send, a page of rows at a time; and the document.
WITHOUT_ROWS = ("products/export/", "product-imports/<uuid:pk>/faulty-rows/", "openapi.json")


def routes() -> list[str]:
    """The addresses of this API that can be read."""
    found = []
    for pattern in get_resolver("tenant_apps.workspace.api_urls").url_patterns:
        assert isinstance(pattern, URLPattern)
        callback: Any = pattern.callback
        view = getattr(callback, "cls", None)
        route = str(pattern.pattern)
        if view is None or route in WITHOUT_ROWS:
            continue
        actions = getattr(callback, "actions", None)
        if "get" in actions if actions else hasattr(view, "get"):
            found.append(route)
    return found


def test_every_address_that_is_read_is_counted() -> None:
    assert set(routes()) == set(QUERIES)


def _filled(route: str, keys: dict[str, object]) -> str:
    names = next((names for start, names in PARAMETERS.items() if route.startswith(start)), {})
    path = route.replace("<int:number>", "1")
    for parameter, name in names.items():
        path = path.replace(f"<uuid:{parameter}>", str(keys[name]))
        path = path.replace(f"<int:{parameter}>", str(keys[name]))
    return f"/api/v1/{path}"


@pytest.mark.parametrize("rows", [1, 50])
def test_statements_are_as_many_as_ever(
    acme: TenantRef, acme_people: People, program_of: Program, rows: int
) -> None:
    """All addresses in one test: what they are asked for is planted once."""
    with context.run_in(acme):
        keys = plant(acme_people, rows)
    client = program_of("owner")
    counted, answered = {}, {}
    for route in routes():
        path = _filled(route, keys)
        size = "?page_size=50&search=" + ("Article" if route == "articles/search/" else "")
        client.get(path + size)
        with CaptureQueriesContext(connection) as statements:
            answer = client.get(path + size)
        assert answer.status_code == 200, (path, answer.content)
        body = answer.json()
        answered[route] = len(body["results"]) if "results" in body else 1
        counted[route] = sum("SAVEPOINT" not in one["sql"] for one in statements)
    assert counted == QUERIES
    lists = {route: number for route, number in answered.items() if not route.endswith("pk>/")}
    few = {route: number for route, number in lists.items() if number < rows}
    assert set(few) <= {
        *(
            "me/",
            "workspace/",
            "stats/",
            "webhooks/event-types/",
            "roles/permissions/",
            "articles/search/",
            "articles/<uuid:pk>/revisions/<int:number>/",
        ),
        "articles/<uuid:pk>/revisions/<int:number>/difference/",
        *("products/<uuid:pk>/options/", "stock-alerts/watch/"),
        "products/<uuid:pk>/variants/<uuid:variant_id>/",
        "products/<uuid:pk>/images/<uuid:image_id>/",
    }
