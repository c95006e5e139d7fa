from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import bulk, catalogue, selectors
from tenant_apps.products.bulk import BulkAction
from tenant_apps.products.errors import (
    CategoryInCircle,
    CompareAtTooLow,
    PercentInvalid,
    TooManyAtOnce,
    WrongState,
)
from tenant_apps.products.models import Category, Product, ProductVariant, State
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People, make_product
from tests.tenant_apps.problems import sentences

NOBODYS = "00000000-0000-7000-8000-000000000000"


def prices() -> list[int]:
    return list(ProductVariant.objects.order_by("pk").values_list("price_minor", flat=True))


def test_each_product_has_its_result(in_acme: TenantRef, acme_people: People) -> None:
    draft, sold = make_product("Draft", published=False), make_product("Sold")
    bare = catalogue.add_product(product=Product(title="Bare"), by=acme_people["editor"])
    results = bulk.change_many(
        keys=[sold.pk, draft.pk, bare.pk, draft.pk],
        action=BulkAction.PUBLISH,
        by=acme_people["editor"],
    )
    assert [(result.title, result.done) for result in results] == [
        ("Sold", False),
        ("Draft", True),
        ("Bare", False),
    ]
    assert "is published; this step starts from" in results[0].sentence
    assert "has no price" in results[2].sentence
    assert Product.objects.filter(state=State.PUBLISHED).count() == 2


@pytest.mark.parametrize(
    ("percent", "after"),
    [("-10", [1620, 899]), ("10", [1980, 1099]), ("0.5", [1809, 1004]), ("-99", [18, 10])],
)
def test_prices_change_by_percent(
    in_acme: TenantRef, acme_people: People, percent: str, after: list[int]
) -> None:
    keys = [make_product("Mug").pk, make_product("Jug", price_minor=999).pk]
    results = bulk.change_many(
        keys=keys,
        action=BulkAction.CHANGE_PRICES,
        percent=Decimal(percent),
        by=acme_people["editor"],
    )
    assert all(result.done for result in results)
    assert prices() == after
    entry = Entry.objects.get(verb="product.repriced", object_label="Mug")
    assert (entry.before, entry.after) == ({"Standard": 1800}, {"Standard": after[0]})


@pytest.mark.parametrize("percent", ["0", "-100", "1001"])
def test_percentage_that_cannot_be(in_acme: TenantRef, acme_people: People, percent: str) -> None:
    with pytest.raises(PercentInvalid, match="from -99 to 1,000"):
        catalogue.change_prices(
            product=make_product(), percent=Decimal(percent), by=acme_people["editor"]
        )


def test_price_above_the_price_before(in_acme: TenantRef, acme_people: People) -> None:
    product = make_product()
    ProductVariant.objects.update(compare_at_minor=1900)
    ProductVariant.objects.create(product=product, option1="L", price_minor=2000)
    with pytest.raises(CompareAtTooLow):
        catalogue.change_prices(product=product, percent=Decimal(10), by=acme_people["editor"])
    assert prices() == [1800, 2000], "none or all"


def test_featured_stand_in_front(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    mug, jug, draft = make_product("Mug"), make_product("Jug"), make_product("D", published=False)
    for product in (mug, jug, draft):
        catalogue.feature_product(product=product, by=editor)
    assert selectors.featured_products() == [jug, mug]
    with pytest.raises(WrongState, match='"Mug" is featured already'):
        catalogue.feature_product(product=mug, by=editor)
    catalogue.unfeature_product(product=jug, by=editor)
    assert selectors.featured_products() == [mug]
    assert Entry.objects.filter(verb="product.unfeatured").count() == 1


@pytest.mark.parametrize("action", BulkAction)
def test_bulk_by_somebody_who_may_not(
    in_acme: TenantRef, acme_people: People, action: BulkAction
) -> None:
    with pytest.raises(NotAllowed):
        bulk.change_many(keys=[make_product().pk], action=action, by=acme_people["author"])


def test_too_many_at_once(in_acme: TenantRef, acme_people: People) -> None:
    import uuid

    keys = [uuid.uuid4() for _ in range(bulk.MAX_AT_ONCE + 1)]
    with pytest.raises(TooManyAtOnce, match="501 products are more than are changed at once"):
        bulk.change_many(keys=keys, action=BulkAction.ARCHIVE, by=acme_people["editor"])


# --- the API ----------------------------------------------------------------------------------------


def send(client: Client, path: str, told: object, method: str = "post") -> object:
    return getattr(client, method)(
        f"/api/v1/{path}", told, content_type="application/json", headers={"If-Match": "*"}
    )


def test_bulk_by_the_api(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        Category.objects.create(name="Mugs", slug="mugs", path="Mugs")
        mug = make_product()
    client = as_role("editor")
    told = {"action": "set_category", "ids": [str(mug.pk), NOBODYS], "category": "mugs"}
    answer = send(client, "products/bulk/", told)
    assert answer.json() == {
        "results": [
            {"id": str(mug.pk), "done": True, "error": ""},
            {"id": NOBODYS, "done": False, "error": "There is no such product."},
        ]
    }
    with context.run_in(acme):
        assert Product.objects.get().category == Category.objects.get()


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"action": "explode", "ids": [NOBODYS]}, "action"),
        ({"action": "publish", "ids": []}, "ids"),
        ({"action": "publish", "ids": ["x"]}, "ids"),
        ({"action": "change_prices", "ids": [NOBODYS]}, "percent"),
        ({"action": "change_prices", "ids": [NOBODYS], "percent": "much"}, "percent"),
        ({"action": "set_category", "ids": [NOBODYS]}, "category"),
        ({"action": "set_category", "ids": [NOBODYS], "category": "none"}, "category"),
    ],
)
def test_bad_bulk_is_refused_at_the_field(
    acme: TenantRef, as_role: LoggedIn, told: dict[str, object], field: str
) -> None:
    answer = send(as_role("editor"), "products/bulk/", told)
    fields = [name.partition("/")[0] for name in sentences(answer)]
    assert (answer.status_code, fields) == (400, [field])
    assert send(as_role("member"), "products/bulk/", told).status_code == 403


def test_product_by_the_api_from_its_making_to_its_end(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("editor")
    made = send(client, "products/", {"title": "Big Mug", "tags": ["a"]})
    assert (made.status_code, made.json()["handle"], made.json()["state"]) == (
        201,
        "big-mug",
        "draft",
    )
    path = f"products/{made.json()['id']}/"
    assert send(client, f"{path}publish/", {}).status_code == 409
    variant = send(client, f"{path}variants/", {"price_minor": 1800, "sku": "M"})
    assert variant.status_code == 201
    one = f"{path}variants/{variant.json()['id']}/"
    assert send(client, one, {"price_minor": 2000}, "patch").json()["price"] == "20.00"
    for step in ("publish", "feature", "unfeature", "archive"):
        assert send(client, f"{path}{step}/", {}).status_code == 200, step
    assert send(client, path, {"vendor": "A"}, "patch").json()["vendor"] == "A"
    assert client.delete(f"/api/v1/{one}").status_code == 204
    assert client.delete(f"/api/v1/{path}").status_code == 204
    with context.run_in(acme):
        assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("path", "told", "field", "sentence"),
    [
        ("", {"handle": "jug"}, "handle", 'has the handle "jug" already'),
        ("", {"handle": "import"}, "handle", "is the address of another page"),
        ("", {"handle": "a b"}, "handle", "valid"),
        ("", {"title": ""}, "title", "blank"),
        ("", {"category": "nobodys"}, "category", "does not exist"),
        ("variants/", {"price_minor": -1}, "price_minor", "greater than or equal to 0"),
        ("variants/", {"price_minor": "dear"}, "price_minor", "valid integer"),
        ("variants/", {"option1": "S"}, "price_minor", "required"),
        (
            "variants/",
            {"price_minor": 5, "compare_at_minor": 4, "option1": "S"},
            "compare_at_minor",
            "The price before is lower than the price.",
        ),
        ("variants/", {"price_minor": 5, "option1": "S", "sku": "J"}, "sku", 'SKU "J" already'),
        ("variants/", {"price_minor": 5}, "option1", "already. Each differs in at least one"),
    ],
)
def test_bad_product_is_refused_at_the_field(
    acme: TenantRef, as_role: LoggedIn, path: str, told: dict[str, object], field: str,
    sentence: str,
) -> None:  # fmt: skip
    with context.run_in(acme):
        mug, jug = make_product("Mug"), make_product("Jug")
        jug.variants.update(sku="J")
    method = "post" if path else "patch"
    answer = send(as_role("editor"), f"products/{mug.pk}/{path}", told, method)
    assert answer.status_code == 400
    assert sentence in sentences(answer)[field][0]
    with context.run_in(acme):
        assert mug.variants.count() == 1


@pytest.mark.parametrize("role", ["visitor", "member", "author"])
def test_api_writes_for_those_who_may(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        mug = make_product()
        variant = mug.variants.get()
    client = as_role(role)
    refused = 401 if role == "visitor" else 403
    for method, path in (
        ("post", "products/"),
        ("patch", f"products/{mug.pk}/"),
        ("delete", f"products/{mug.pk}/"),
        ("post", f"products/{mug.pk}/archive/"),
        ("post", f"products/{mug.pk}/feature/"),
        ("post", f"products/{mug.pk}/variants/"),
        ("patch", f"products/{mug.pk}/variants/{variant.pk}/"),
        ("delete", f"products/{mug.pk}/variants/{variant.pk}/"),
        ("post", "product-categories/"),
    ):
        told = {"title": "x", "price_minor": 1, "name": "x", "slug": "x"}
        assert send(client, path, told, method).status_code == refused, (method, path)
    with context.run_in(acme):
        assert Product.objects.get().title == "Mug"


# --- categories -------------------------------------------------------------------------------------


def make_tree(people: People) -> dict[str, Category]:
    made: dict[str, Category] = {}
    for path in ("Home", "Home > Mugs", "Home > Mugs > Large", "Home & Garden", "Empty"):
        above, _, name = path.rpartition(" > ")
        made[path] = catalogue.place_category(
            category=Category(name=name, slug=name.lower().replace(" & ", "-"), parent=made.get(above)),
            by=people["owner"],
        )  # fmt: skip
    for path in ("Home > Mugs > Large", "Home > Mugs", "Home & Garden"):
        product = make_product(path)
        catalogue.change_product(
            product=product, changes={"category": made[path]}, by=people["owner"]
        )
    return made


def test_tree_counts_what_stands_below(in_acme: TenantRef, acme_people: People) -> None:
    made = make_tree(acme_people)
    rows = [(one.category.path, one.depth, one.product_count) for one in selectors.category_tree()]
    assert rows == [
        ("Home", 0, 2),
        ("Home > Mugs", 1, 2),
        ("Home > Mugs > Large", 2, 1),
        ("Home & Garden", 0, 1),
    ]
    below = selectors.category_tree(made["Home"])
    assert [(one.category.name, one.depth) for one in below] == [("Mugs", 0), ("Large", 1)]
    above = selectors.ancestors_of(made["Home > Mugs > Large"])
    assert [one.name for one in above] == ["Home", "Mugs"]


def test_pages_of_the_tree(
    acme: TenantRef, acme_people: People, acme_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    with context.run_in(acme):
        make_tree(acme_people)
    page = acme_client.get("/products/category/").content.decode()
    assert 'data-depth="2"' in page
    assert "Empty" not in page
    below = acme_client.get("/products/category/home/").content.decode()
    assert "Below Home" in below
    deep = acme_client.get("/products/category/large/").content.decode()
    assert deep.index(">Home</a>") < deep.index(">Mugs</a>") < deep.index("<li>Large</li>")


def test_category_below_itself(in_acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    made = make_tree(acme_people)
    top = made["Home"]
    top.parent = made["Home > Mugs > Large"]
    with pytest.raises(CategoryInCircle, match='"Home" cannot stand below itself'):
        catalogue.place_category(category=top, by=acme_people["owner"])
    client = as_role("editor")
    answer = send(client, f"product-categories/{top.pk}/", {"parent": "large"}, "patch")
    assert answer.status_code == 400
    assert "cannot stand below itself" in sentences(answer)["parent"][0]
    page = client.post(
        f"/admin/products/category/{top.pk}/change/",
        {"name": "Home", "slug": "home", "parent": made["Home > Mugs > Large"].pk},
    ).content.decode()
    assert "A category cannot stand below itself." in page
    assert Category.objects.get(pk=top.pk).parent is None


def test_categories_by_the_api(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    client = as_role("editor")
    home = send(client, "product-categories/", {"name": "Home", "slug": "home"})
    assert home.status_code == 201
    mugs = send(client, "product-categories/", {"name": "Mugs", "slug": "mugs", "parent": "home"})
    assert mugs.json()["path"] == "Home > Mugs"
    taken = send(client, "product-categories/", {"name": "Jugs", "slug": "mugs"})
    assert "has the address" in sentences(taken)["slug"][0]
    twin = send(client, "product-categories/", {"name": "Home", "slug": "other"})
    assert "There is a category" in sentences(twin)["name"][0]
    path = f"/api/v1/product-categories/{home.json()['id']}/"
    assert client.delete(path).status_code == 409
    listed = client.get("/api/v1/product-categories/").json()["results"]
    assert [one["path"] for one in listed] == ["Home", "Home > Mugs"]


# --- the admin --------------------------------------------------------------------------------------


def test_bulk_in_the_admin(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        mug, jug = make_product("Mug"), make_product("Jug")
        jug.variants.update(compare_at_minor=1800)
    client = as_role("editor")
    chosen = {"action": "change_chosen", "_selected_action": [str(mug.pk), str(jug.pk)]}
    form = client.post("/admin/products/product/", chosen)
    assert "2 products." in form.content.decode()
    told = chosen | {"carry_out": "1", "change": "change_prices", "percent": "10"}
    page = client.post("/admin/products/product/", told, follow=True).content.decode()
    assert "1 changed." in page
    assert "Jug: The price before is lower than the price." in page
    with context.run_in(acme):
        assert prices() == [1980, 1800]
    refused = client.post("/admin/products/product/", told | {"percent": ""})
    assert refused.status_code == 422
    assert "Write by how many percent" in refused.content.decode()
