import csv
import io
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.products.descriptions import clean_description
from tenant_apps.products.models import (
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    State,
)
from tenant_apps.products.product_export import export_products
from tests.tenant_apps.conftest import LoggedIn, make_product
from tests.tenant_apps.problems import sentences
from tests.tenant_apps.products.csv_texts import JEWELERY, csv_file, csv_text, one
from tests.tenant_apps.products.test_product_import import Ear, counts, run

FORMATS = ["shopify", "simple"]


def export(format_name: str) -> str:
    return "".join(
        export_products(products=Product.objects.all(), format_name=format_name, currency="EUR")
    )


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def full_product() -> None:
    """A product with something in every column, and one with as little as can be."""
    category = "Home > Mugs"
    run(
        csv_text(
            [
                one(
                    Vendor="A",
                    Type="Cup",
                    Tags="x, y",
                    Status="archived",
                    Mine="1",
                    **{
                        "Product Category": category,
                        "Body (HTML)": '<p>Two\nlines, "quoted"</p>',
                        "Option1 Name": "Size",
                        "Option1 Value": "S",
                        "Option2 Name": "Glaze",
                        "Option2 Value": "Clear",
                        "Variant SKU": "007",
                        "Variant Barcode": "40",
                        "Variant Grams": "300",
                        "Variant Inventory Tracker": "shopify",
                        "Variant Inventory Qty": "-2",
                        "Variant Inventory Policy": "continue",
                        "Variant Compare At Price": "20",
                        "Variant Requires Shipping": "false",
                        "Variant Taxable": "false",
                        "Variant Image": "https://e.com/2",
                        "Variant Weight Unit": "kg",
                        "Cost per item": "3",
                        "Image Src": "https://e.com/1",
                        "Image Alt Text": "A mug",
                        "Gift Card": "true",
                        "SEO Title": "T",
                        "SEO Description": "D",
                    },
                ),
                {
                    "Handle": "mug",
                    "Option1 Value": "L",
                    "Option2 Value": "Clear",
                    "Variant Price": "21",
                    "Mine": "2",
                },
                {"Handle": "mug", "Image Src": "https://e.com/3"},
                one(Handle="bare", Title="Bare", Status="draft"),
            ]
        )
    )
    ProductVariant.objects.filter(option1="L").update(low_stock_at=3)


@pytest.mark.parametrize("format_name", FORMATS)
def test_what_was_written_is_read_back_unchanged(in_acme: TenantRef, format_name: str) -> None:
    full_product()
    ear = Ear()
    report = run(export(format_name), ear=ear)
    assert (ear.problems, ear.changes) == ([], [])
    assert counts(report) == (0, 0, 2, 0)


@pytest.mark.parametrize("format_name", FORMATS)
def test_export_of_what_was_imported_is_equal(in_acme: TenantRef, format_name: str) -> None:
    full_product()
    before = export(format_name)
    Product.objects.all().delete()
    assert counts(run(before)) == (2, 0, 0, 0)
    assert export(format_name) == before


def test_shops_own_file_comes_back_cell_by_cell(in_acme: TenantRef) -> None:
    run(csv_file(JEWELERY.read_bytes()))
    given_rows = rows(JEWELERY.read_text(encoding="utf-8"))
    written = rows(export("shopify"))
    assert [row["Handle"] for row in written] == [row["Handle"] for row in given_rows]
    for theirs, ours in zip(given_rows, written, strict=True):
        for column, cell in theirs.items():
            assert _as_meant(column, ours.get(column, "")) == _as_meant(column, cell), (
                theirs["Handle"],
                column,
            )


def _as_meant(column: str, cell: str) -> str:
    """A cell without what is only another way to write it."""
    if "Price" in column and cell:
        return f"{float(cell):.2f}"
    if column == "Body (HTML)":
        return clean_description(cell)
    if column == "Gift Card" and not cell:
        return ""
    return " ".join(cell.split())


FORMULAS = ["=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(A1)", "'=1", "''=1", "\uff1d1+1", "-3", "'tis"]


@pytest.mark.parametrize("format_name", FORMATS)
def test_formula_in_a_name_is_text_and_comes_back(in_acme: TenantRef, format_name: str) -> None:
    for number, title in enumerate(FORMULAS):
        product = make_product(f"Mug {number}")
        Product.objects.filter(pk=product.pk).update(title=title, vendor=title, tags=[title])
        ProductVariant.objects.filter(product=product).update(option1=title)
        ProductOption.objects.create(product=product, position=1, name=title)
        ProductImage.objects.create(product=product, url="https://e.com/1", alt=title)
    text = export(format_name)
    for row in csv.reader(io.StringIO(text.removeprefix("\ufeff"))):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\uff1d")), cell
            assert not cell.startswith("-") or cell == "-3"
    assert counts(run(text)) == (0, 0, len(FORMULAS), 0)
    Product.objects.all().delete()
    run(text)
    kept = list(Product.objects.order_by("handle").values_list("title", "vendor", "tags"))
    assert kept == [(title, title, [title]) for title in FORMULAS]


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    title=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40),
    vendor=st.text(st.sampled_from("'=+-@,;\"\t\r\n a1"), max_size=12),
    format_name=st.sampled_from(FORMATS),
)
def test_any_text_comes_back(in_acme: TenantRef, title: str, vendor: str, format_name: str) -> None:
    title, vendor = title.strip() or "x", vendor.strip()
    Product.objects.all().delete()
    product = make_product("Mug")
    Product.objects.filter(pk=product.pk).update(title=title, vendor=vendor)
    text = export(format_name)
    Product.objects.all().delete()
    run(text)
    assert Product.objects.values_list("handle", "title", "vendor").get() == ("mug", title, vendor)


def test_only_those_that_were_asked_for(in_acme: TenantRef, as_role: LoggedIn) -> None:
    full_product()
    client = as_role("editor")
    for query, handles in (
        ("", {"mug", "bare"}),
        ("&state=draft", {"bare"}),
        ("&category=home", {"mug"}),
        ("&category=nobodys", set()),
    ):
        answer = client.get(f"/products/export.csv?format=simple{query}")
        text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
        assert {row["handle"] for row in rows(text)} == handles


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("visitor", (302, 401)), ("author", (403, 403)), ("editor", (200, 200))],
)
def test_export_by_role(
    acme: TenantRef, as_role: LoggedIn, role: str, statuses: tuple[int, int]
) -> None:
    with context.run_in(acme):
        make_product("Mug")
    client = as_role(role)
    answers = [
        client.get("/products/export.csv?format=shopify"),
        client.get("/api/v1/products/export/?file_format=shopify"),
    ]
    assert tuple(answer.status_code for answer in answers) == statuses
    if role == "editor":
        bodies = [b"".join(answer.streaming_content) for answer in answers]  # type: ignore[attr-defined]
        assert bodies[0] == bodies[1]
        assert b"Mug" in bodies[0]
        assert answers[0]["Content-Disposition"] == 'attachment; filename="products-shopify.csv"'
        assert client.get("/admin/products/product/export/").status_code == 302


def test_format_that_nobody_knows(as_role: LoggedIn) -> None:
    client = as_role("editor")
    answer = client.get("/api/v1/products/export/?file_format=xls")
    assert answer.status_code == 400
    assert sentences(answer) == {"file_format": ['There is no format "xls": shopify or simple.']}
    page = client.get("/products/export.csv?format=xls", follow=True)
    assert "There is no format" in page.content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("format_name", FORMATS)
def test_memory_does_not_grow_with_the_catalogue(in_acme: TenantRef, format_name: str) -> None:
    def peak() -> int:
        tracemalloc.start()
        products = Product.objects.all()
        lines = sum(
            1 for _ in export_products(products=products, format_name=format_name, currency="EUR")
        )
        assert lines == products.count() + 1
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    def add(first: int, last: int) -> None:
        made = Product.objects.bulk_create(
            Product(title=f"Mug {n}", handle=f"mug-{n}", description_html="<p>Slow.</p>" * 40)
            for n in range(first, last)
        )
        ProductVariant.objects.bulk_create(
            ProductVariant(product=product, price_minor=1800) for product in made
        )

    add(0, 400)
    peak()  # what is loaded once
    small = peak()
    add(400, 4_000)
    # Keeping the texts alone would be 480 bytes each.
    assert peak() - small < 3_600 * 100 + 300_000


def test_state_is_named_as_shopify_does(in_acme: TenantRef) -> None:
    for state in State:
        product = make_product(state.label)
        Product.objects.filter(pk=product.pk).update(state=state)
    written = {row["Title"]: (row["Status"], row["Published"]) for row in rows(export("shopify"))}
    assert written == {
        "Draft": ("draft", "false"),
        "Published": ("active", "true"),
        "Archived": ("archived", "false"),
    }
