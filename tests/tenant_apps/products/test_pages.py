import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.products.models import (
    Category,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
)
from tenant_apps.products.selectors import MAX_TABS
from tenant_apps.workspace.models import Workspace
from tests.tenant_apps.conftest import LoggedIn, People, make_product

# The request's own transaction is a savepoint inside the test's.
SAVEPOINT = 2


@pytest.fixture
def goods(acme: TenantRef) -> None:
    """One product with two variants and a picture, to which tests may add."""
    with context.run_in(acme):
        furnish(make_product("Mug 0"))


def furnish(product: Product) -> None:
    category, _ = Category.objects.get_or_create(name="Mugs", slug="mugs", path="Mugs")
    product.category = category
    product.save(update_fields=["category"])
    ProductOption.objects.create(product=product, position=1, name="Glaze")
    product.variants.update(option1="Clear")
    ProductVariant.objects.create(product=product, option1="Celadon", price_minor=2450)
    for position in (2, 3):
        ProductImage.objects.create(
            product=product, url=f"https://example.com/{position}.jpg", position=position
        )


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        # The second time: tabs and counts are kept.
        ("/products/", 4),
        ("/products/category/", 1),
        ("/products/category/mugs/", 4),
        ("/products/mug-0/", 4),
        ("/api/v1/products/", 4),
        ("/", 4),
    ],
)
def test_queries_do_not_grow_with_the_rows(
    acme: TenantRef,
    goods: None,
    acme_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
    queries: int,
    rows: int,
) -> None:
    with context.run_in(acme):
        for number in range(1, rows):
            furnish(make_product(f"Mug {number}"))
    acme_client.get(path)
    with django_assert_num_queries(queries + SAVEPOINT):
        response = acme_client.get(path)
    assert response.status_code == 200
    assert (b"Mugs" if path == "/products/category/" else b"Mug 0") in response.content


def test_list_shows_the_first_picture_and_the_lowest_price(
    acme: TenantRef, goods: None, acme_client: Client
) -> None:
    with context.run_in(acme):
        Workspace.objects.update(currency="GBP")
    page = acme_client.get("/products/").content.decode()
    assert "https://example.com/2.jpg" in page
    assert "https://example.com/3.jpg" not in page
    assert "£18.00" in page


def test_product_page_shows_its_variants(goods: None, acme_client: Client) -> None:
    page = acme_client.get("/products/mug-0/").content.decode()
    for words in ("Glaze", "Clear", "Celadon", "€24.50"):
        assert words in page


def test_sold_out_is_said(acme: TenantRef, goods: None, acme_client: Client) -> None:
    assert "Sold out" not in acme_client.get("/products/mug-0/").content.decode()
    with context.run_in(acme):
        ProductVariant.objects.update(tracks_stock=True)
    assert "Sold out" in acme_client.get("/products/mug-0/").content.decode()
    with context.run_in(acme):
        ProductVariant.objects.update(sells_when_out=True)
    assert "Sold out" not in acme_client.get("/products/mug-0/").content.decode()


def test_search_finds_words_of_the_title(acme: TenantRef, goods: None, acme_client: Client) -> None:
    with context.run_in(acme):
        make_product("Plate")
    page = acme_client.get("/products/", {"q": "mUG"}).content.decode()
    assert "Mug 0" in page
    assert "Plate" not in page
    assert acme_client.get("/products/", {"q": "100% \x00 ' \\"}).status_code == 200


@pytest.mark.parametrize("role", ["visitor", "member", "author", "editor", "owner"])
def test_draft_is_seen_by_those_who_may_change_it(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        draft = make_product("Secret", published=False)
    client = as_role(role)
    may = role in {"editor", "owner"}
    assert client.get("/products/secret/").status_code == (200 if may else 404)
    assert client.get(f"/api/v1/products/{draft.pk}/").status_code == (200 if may else 404)
    assert "Secret" not in client.get("/products/").content.decode()
    assert ("Secret" in client.get("/api/v1/products/").content.decode()) is may


def test_product_of_acme_is_not_at_globex(
    acme: TenantRef, goods: None, globex_client: Client
) -> None:
    with context.run_in(acme):
        key = Product.objects.get().pk
    assert globex_client.get("/products/mug-0/").status_code == 404
    assert globex_client.get(f"/api/v1/products/{key}/").status_code == 404
    assert "Mug" not in globex_client.get("/products/").content.decode()


def test_api_tells_prices_in_the_tenants_currency(
    acme: TenantRef, goods: None, acme_client: Client
) -> None:
    with context.run_in(acme):
        Workspace.objects.update(currency="JPY")
    (product,) = acme_client.get("/api/v1/products/").json()["results"]
    assert product["currency"] == "JPY"
    assert [v["price"] for v in product["variants"]] == ["1800", "2450"]
    assert product["options"] == [{"position": 1, "name": "Glaze"}]


def test_tabs_are_the_fullest_categories_and_the_chosen_one(
    acme: TenantRef, acme_client: Client
) -> None:
    with context.run_in(acme):
        for number in range(MAX_TABS + 2):
            name = f"C{number:02}"
            category = Category.objects.create(name=name, slug=name.lower(), path=name)
            for _ in range(1 if number < 2 else 2):
                product = make_product(f"In {name}")
                product.category = category
                product.save(update_fields=["category"])
    page = acme_client.get("/products/").content.decode()
    assert page.count("tabs__count") == MAX_TABS
    assert "C00 <" not in page
    assert 'href="/products/category/"' in page
    chosen = acme_client.get("/products/category/c01/").content.decode()
    assert chosen.count("tabs__count") == MAX_TABS + 1
    every = acme_client.get("/products/category/").content.decode()
    assert all(f"/products/category/c{number:02}/" in every for number in range(MAX_TABS + 2))
