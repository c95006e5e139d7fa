"""Filters, options, pictures, trees and low stock of products, by the API."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.products import catalogue
from tenant_apps.products.models import Category, Product, StockAlert, StockWatch
from tests.tenant_apps.conftest import LoggedIn, People, make_product
from tests.tenant_apps.problems import sentences

JSON: dict[str, Any] = {"content_type": "application/json", "headers": {"If-Match": "*"}}
API = "/api/v1"


@pytest.fixture
def shelf(acme: TenantRef) -> None:
    """A dear mug that is loved, a cheap bowl in front, and a draft."""
    with context.run_in(acme):
        home = Category.objects.create(name="Home", slug="home", path="Home")
        mugs = Category.objects.create(name="Mugs", slug="mugs", path="Home > Mugs", parent=home)
        mug, bowl = make_product("Mug", price_minor=3000), make_product("Bowl", price_minor=900)
        make_product("Plate", published=False)
        Product.objects.filter(pk=mug.pk).update(
            category=mugs, review_count=2, review_stars=9, vendor="Ada",
            published_at=timezone.now() - timedelta(days=400),
        )  # fmt: skip
        Product.objects.filter(pk=bowl.pk).update(
            featured_at=timezone.now(), review_count=1, review_stars=4
        )


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["Plate", "Bowl", "Mug"]),
        ("state=draft", ["Plate"]),
        ("category=home", ["Mug"]),
        ("vendor=Ada", ["Mug"]),
        ("updated_from=2000-01-01T00:00:00-23:14&price_from=20", ["Mug"]),
        ("price_from=10", ["Mug", "Plate"]),
        ("price_to=10.00", ["Bowl"]),
        ("featured=true", ["Bowl"]),
        ("featured=false&state=published", ["Mug"]),
        ("rating_from=4.5", ["Mug"]),
        ("rating_from=4", ["Bowl", "Mug"]),
        ("published_to=2026-01-01T00:00:00Z", ["Mug"]),
        ("ordering=title", ["Bowl", "Mug", "Plate"]),
        ("ordering=-title", ["Plate", "Mug", "Bowl"]),
        ("ordering=published_at", ["Mug", "Bowl"]),
        ("search=bow", ["Bowl"]),
    ],
)
def test_list_is_narrowed_and_ordered(
    as_role: LoggedIn, shelf: None, query: str, titles: list[str]
) -> None:
    client, seen = as_role("editor"), []
    address = f"{API}/products/?page_size=1&{query}"
    while address:
        answer = client.get(address).json()
        seen += [one["title"] for one in answer["results"]]
        address = answer["next"]
    assert sorted(seen) == sorted(titles) if "price" in query else seen == titles


@pytest.mark.parametrize("app", ["articles", "products"])
def test_each_order_has_an_index(in_acme: TenantRef, app: str) -> None:
    """What may be ordered by begins an index of the table, in one direction or the other."""
    from tenant_apps.articles.api import ArticleViewSet
    from tenant_apps.products.api import ProductViewSet

    names = {"articles": ArticleViewSet, "products": ProductViewSet}[app].ordering_fields
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_indexdef(indexrelid, 1, true) FROM pg_index WHERE indrelid = %s::regclass",
            [f"{app}_{app[:-1]}"],
        )
        first_columns = {row[0] for row in cursor.fetchall()}
    assert set(names) <= first_columns


def test_options_are_named_anew(acme: TenantRef, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        mug = make_product()
        mug.variants.update(option1="S")
    client, path = as_role("editor"), f"{API}/products/{mug.pk}/options/"
    assert client.put(path, {"options": ["Size", "Colour"]}, **JSON).json() == {
        "options": ["Size", "Colour"]
    }
    assert client.put(path, {"options": ["Weight"]}, **JSON).json() == {"options": ["Weight"]}
    assert client.get(path).json() == {"options": ["Weight"]}
    for names in ([], ["a", "A"], ["a", "b", "c", "d"], [" "]):
        answer = client.put(path, {"options": names}, **JSON)
        assert answer.status_code == 400, names
        assert next(iter(sentences(answer))).startswith("options"), names
    assert client.get(path).json() == {"options": ["Weight"]}


def _file(name: str = "a.png", content: bytes = b"") -> SimpleUploadedFile:
    drawn = io.BytesIO()
    Image.new("RGB", (2000, 1000), (200, 80, 30)).save(drawn, "PNG")
    return SimpleUploadedFile(name, content or drawn.getvalue(), "image/png")


def test_picture_is_sent_ordered_and_removed_with_its_file(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with context.run_in(acme):
        mug = make_product()
    client, path = as_role("editor"), f"{API}/products/{mug.pk}/images/"
    first = client.post(path, {"file": _file(), "alt": "A mug"}).json()
    second = client.post(path, {"url": "https://example.com/b.jpg"}, **JSON).json()
    assert first["url"].startswith("/media/products/")
    assert first["url"].endswith(".webp")
    shown = client.get(first["url"])
    with Image.open(io.BytesIO(b"".join(shown))) as kept:
        assert (kept.format, kept.size) == ("WEBP", (1600, 800))
    moved = client.patch(f"{path}{second['id']}/", {"position": 1, "alt": "B"}, **JSON)
    assert (moved.json()["position"], moved.json()["alt"]) == (1, "B")
    with context.run_in(acme):
        file = Path(default_storage.path(first["url"].removeprefix("/media/")))
    assert file.exists()
    with django_capture_on_commit_callbacks(execute=True):
        assert client.delete(f"{path}{first['id']}/").status_code == 204
        assert file.exists(), "not before it is committed"
    assert not file.exists()
    assert [one["id"] for one in client.get(path).json()["results"]] == [second["id"]]


def test_files_go_with_the_product(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with context.run_in(acme):
        mug = make_product()
    sent = as_role("editor").post(f"{API}/products/{mug.pk}/images/", {"file": _file()}).json()
    with context.run_in(acme):
        file = Path(default_storage.path(sent["url"].removeprefix("/media/")))
        assert file.exists()
        with django_capture_on_commit_callbacks(execute=True):
            catalogue.delete_product(product=mug, by=acme_people["editor"])
    assert not file.exists()


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"file": b"<svg onload='x()'/>"}, "file"),
        ({"file": b"GIF89a nonsense"}, "file"),
        ({"url": "javascript:x()"}, "url"),
        ({}, "file"),
        ({"file": b"x", "url": "https://example.com/a.jpg"}, "file"),
    ],
)
def test_picture_that_cannot_be(
    acme: TenantRef, as_role: LoggedIn, told: dict[str, Any], field: str
) -> None:
    with context.run_in(acme):
        mug = make_product()
    if "file" in told:
        told = told | {"file": _file("a.svg", told["file"])}
    answer = as_role("editor").post(f"{API}/products/{mug.pk}/images/", told)
    assert (answer.status_code, list(sentences(answer))) == (400, [field])
    with context.run_in(acme):
        assert not mug.images.exists()


def test_variant_is_changed_while_pieces_are_sold(acme: TenantRef, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        mug = make_product()
        variant = mug.variants.get()
    client, path = as_role("editor"), f"{API}/products/{mug.pk}/variants/{variant.pk}/"
    etag = client.get(path).headers["ETag"]
    client.post(f"{path}movements/", {"quantity": 9}, **JSON)
    told = {"content_type": "application/json", "headers": {"If-Match": etag}}
    assert client.patch(path, {"price_minor": 5}, **told).status_code == 200
    assert client.patch(path, {"price_minor": 6}, **told).status_code == 412


def test_tree_of_what_is_on_sale(acme_client: Client, shelf: None) -> None:
    rows = acme_client.get(f"{API}/product-categories/tree/").json()["results"]
    assert [(row["name"], row["depth"], row["product_count"]) for row in rows] == [
        ("Home", 0, 1),
        ("Mugs", 1, 1),
    ]


def test_low_stock_is_listed_and_watched(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        mug = make_product()
        StockAlert.objects.create(product=mug, variant=mug.variants.get(), quantity=1, warned_at=2)
        ended = make_product("Bowl")
        StockAlert.objects.create(
            product=ended, variant=ended.variants.get(), quantity=1, warned_at=2,
            ended_at=timezone.now(),
        )  # fmt: skip
    client = as_role("editor")
    listed = client.get(f"{API}/stock-alerts/").json()["results"]
    assert [one["product_title"] for one in listed] == ["Mug"]
    for watching in (True, True, False, False):
        answer = client.put(f"{API}/stock-alerts/watch/", {"watching": watching}, **JSON)
        assert answer.json() == {"watching": watching}
        with context.run_in(acme):
            assert StockWatch.objects.exists() is watching
