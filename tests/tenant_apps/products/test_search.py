import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.products.models import Category, Product, ProductVariant
from tenant_apps.products.search import Order, Wishes, find_products, matching_keys
from tests.tenant_apps.conftest import LoggedIn, People, make_product
from tests.tenant_apps.problems import sentences

# The request's own transaction is a savepoint inside the test's.
SAVEPOINT = 2


@pytest.fixture
def shop(acme: TenantRef) -> None:
    """Five products of acme."""
    with context.run_in(acme):
        home = Category.objects.create(name="Home", slug="home", path="Home")
        cups = Category.objects.create(name="Cups", slug="cups", path="Home > Cups", parent=home)
        for title, vendor, words, price in (
            ("Celadon Mug", "Kiln", "<p>Stoneware, fired slowly</p>", 1800),
            ("Copper Kettle", "Smith", "<p>For a mug of tea</p>", 9000),
            ("Tea Bowl", "Kiln", "", 2400),
            ("Crème brûlée dish", "", "", 1200),
            ("茶碗", "", "", 3000),
        ):
            product = make_product(title, price_minor=price)
            Product.objects.filter(pk=product.pk).update(vendor=vendor, description_html=words)
        Product.objects.filter(title="Tea Bowl").update(category=cups)
        ProductVariant.objects.filter(price_minor=2400).update(sku="TB-1", tracks_stock=True)


def found(words: str = "", **wishes: object) -> list[str]:
    products = find_products(Product.objects.all(), Wishes(words=words, **wishes))  # type: ignore[arg-type]
    return [product.title for product in products]


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("mug", ["Celadon Mug", "Copper Kettle"]),
        ("MU", ["Celadon Mug", "Copper Kettle"]),
        ("kiln bowl", ["Tea Bowl"]),
        ("fired", ["Celadon Mug"]),
        ("TB-1", ["Tea Bowl"]),
        ("crème", ["Crème brûlée dish"]),
        ("茶碗", ["茶碗"]),
        ("kettel", ["Copper Kettle"]),
        ("celedon", ["Celadon Mug"]),
        ("xylophone", []),
        ("p", []),
        ("& | ! <-> ' \\ :*", []),
        ("mug & !kettle", ["Copper Kettle"]),
    ],
)
def test_words_are_found(in_acme: TenantRef, shop: None, words: str, titles: list[str]) -> None:
    assert found(words) == titles


@pytest.mark.parametrize(
    ("wishes", "titles"),
    [
        ({"price_from": 1800, "price_to": 2400}, {"Celadon Mug", "Tea Bowl"}),
        ({"price_to": 1200}, {"Crème brûlée dish"}),
        ({"in_stock": True}, {"Celadon Mug", "Copper Kettle", "Crème brûlée dish", "茶碗"}),
        ({"in_stock": True, "price_from": 2400, "price_to": 2400}, set()),
    ],
)
def test_wishes(
    in_acme: TenantRef, shop: None, wishes: dict[str, object], titles: set[str]
) -> None:
    assert set(found(**wishes)) == titles


def test_category_holds_those_below_it(in_acme: TenantRef, shop: None) -> None:
    assert found(category=Category.objects.get(slug="home")) == ["Tea Bowl"]
    assert found("mug", category=Category.objects.get(slug="home")) == []


@pytest.mark.parametrize(
    ("order", "titles"),
    [
        (Order.CHEAPEST, ["Crème brûlée dish", "Celadon Mug", "Tea Bowl", "茶碗", "Copper Kettle"]),
        (Order.DEAREST, ["Copper Kettle", "茶碗", "Tea Bowl", "Celadon Mug", "Crème brûlée dish"]),
        (Order.TITLE, ["Celadon Mug", "Copper Kettle", "Crème brûlée dish", "Tea Bowl", "茶碗"]),
        (Order.NEWEST, ["茶碗", "Crème brûlée dish", "Tea Bowl", "Copper Kettle", "Celadon Mug"]),
        (Order.BEST, ["茶碗", "Crème brûlée dish", "Tea Bowl", "Copper Kettle", "Celadon Mug"]),
        (Order.RATING, ["Tea Bowl", "Copper Kettle", "茶碗", "Crème brûlée dish", "Celadon Mug"]),
    ],
)
def test_order(in_acme: TenantRef, shop: None, order: Order, titles: list[str]) -> None:
    Product.objects.filter(title="Tea Bowl").update(review_count=2, review_stars=9)
    Product.objects.filter(title="Copper Kettle").update(review_count=3, review_stars=12)
    assert found(order=order) == titles


def test_index_serves_the_words(in_acme: TenantRef, shop: None) -> None:
    """The index is of use only while the query's expression is the index's."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    from django.contrib.postgres.search import SearchQuery

    from tenant_apps.products.models import search_document

    words = Product.objects.order_by().annotate(document=search_document())
    plan = words.filter(document=SearchQuery("mug", config="simple")).values("pk").explain()
    assert "products_product_words" in plan


def test_only_what_one_may_see_is_found(in_acme: TenantRef, shop: None) -> None:
    assert matching_keys(Product.objects.filter(vendor="Smith"), "mug") == [
        Product.objects.get(vendor="Smith").pk
    ]


# --- doors ----------------------------------------------------------------------------------------


def test_page_api_and_admin_find_the_same(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, shop: None
) -> None:
    client = as_role("editor")
    for words, title, other in (
        ("kettel", "Copper Kettle", "Tea Bowl"),
        ("TB-1", "Tea Bowl", "Mug"),
    ):
        for path in ("/products/", "/api/v1/products/", "/admin/products/product/"):
            page = client.get(path, {"search" if "api" in path else "q": words}).content.decode()
            assert title in page, path
            assert other not in page.replace("title, maker", ""), path


def test_filters_by_page_and_api(acme: TenantRef, acme_client: Client, shop: None) -> None:
    query = {"price_from": "18", "price_to": "€24,00", "in_stock": "true"}
    page = acme_client.get("/products/", query).content.decode()
    assert ("Celadon Mug" in page, "Tea Bowl" in page) == (True, False)
    answer = acme_client.get("/api/v1/products/", query).json()
    assert [one["title"] for one in answer["results"]] == ["Celadon Mug"]
    titles = acme_client.get("/api/v1/products/", {"ordering": "title", "page_size": "2"}).json()
    assert [one["title"] for one in titles["results"]] == ["Celadon Mug", "Copper Kettle"]
    more = acme_client.get(titles["next"]).json()
    assert [one["title"] for one in more["results"]] == ["Crème brûlée dish", "Tea Bowl"]
    cups = acme_client.get("/api/v1/products/", {"category": "home"}).json()
    assert [one["title"] for one in cups["results"]] == ["Tea Bowl"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("price_from", "cheap", '"cheap" is not a price.'),
        ("price_to", "-1", '"-1" is not a price.'),
    ],
)
def test_bad_wish_is_refused_at_the_field(
    acme: TenantRef, acme_client: Client, shop: None, name: str, value: str, sentence: str
) -> None:
    page = acme_client.get("/products/", {name: value})
    assert page.status_code == 422
    assert sentence in page.content.decode().replace("&quot;", '"')
    answer = acme_client.get("/api/v1/products/", {name: value})
    assert answer.status_code == 400
    assert sentence in sentences(answer)[name][0]
    both = acme_client.get("/api/v1/products/", {"price_from": "9", "price_to": "8"})
    assert sentences(both) == {"price_to": ["The highest price is lower than the lowest."]}
    unknown = acme_client.get("/api/v1/products/", {"category": "x\x00"})
    assert unknown.status_code == 400


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/products/?q=mug", 6),
        ("/products/?q=mug&price_from=1&in_stock=true&order=price", 6),
        ("/api/v1/products/?search=mug", 6),
    ],
)
def test_queries_of_a_search(
    acme: TenantRef, acme_client: Client, path: str, queries: int, rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    with context.run_in(acme):
        for number in range(rows):
            make_product(f"Mug {number}")
    acme_client.get(path)
    with django_assert_num_queries(queries + SAVEPOINT):
        assert b"Mug 0" in acme_client.get(path).content
