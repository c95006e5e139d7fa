import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products.csv_files import CsvFile
from tenant_apps.products.models import (
    Category,
    MatchBy,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    State,
    StockAlert,
    StockMovement,
)
from tenant_apps.products.product_import import Listener, Report, import_products
from tenant_apps.products.product_rows import Problem, Row
from tests.tenant_apps.conftest import People
from tests.tenant_apps.products.csv_texts import JEWELERY, csv_file, csv_text, one

TABLES = (Product, ProductVariant, ProductOption, ProductImage, Category, StockMovement)


class Ear:
    """Remembers what an import tells."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.rows: list[tuple[Row, str]] = []
        self.progress: list[int] = []
        self.changes: list[dict[str, Any]] = []

    @property
    def listener(self) -> Listener:
        return Listener(
            self.problems.extend, self.rows.extend, self.progress.append, self.changes.extend
        )


DEAF = Listener(lambda _: None, lambda _: None, lambda _: None)


def run(
    file: CsvFile | str,
    *,
    writes: bool = True,
    skips_faulty: bool = False,
    ear: Ear | None = None,
    match_by: MatchBy = MatchBy.HANDLE,
) -> Report:
    return import_products(
        file=csv_file(file) if isinstance(file, str) else file,
        currency="EUR",
        by=None,
        writes=writes,
        skips_faulty=skips_faulty,
        match_by=match_by,
        listener=ear.listener if ear else DEAF,
    )


def counts(report: Report) -> tuple[int, int, int, int]:
    return (report.created, report.updated, report.unchanged, report.faulty)


def jewelery() -> CsvFile:
    return csv_file(JEWELERY.read_bytes())


def test_jewelery_is_imported_whole(in_acme: TenantRef) -> None:
    report = run(jewelery())
    assert counts(report) == (20, 0, 0, 0)
    assert report.rows == 41
    assert Product.objects.filter(state=State.PUBLISHED).count() == 20
    assert ProductVariant.objects.count() == 23
    assert ProductImage.objects.count() == 41

    anchor = Product.objects.get(handle="leather-anchor")
    assert anchor.title == "Anchor Bracelet Mens"
    assert anchor.tags == ["Anchor", "Gold", "Leather", "Silver"]
    assert [option.name for option in anchor.options.all()] == ["Color"]
    gold, silver = anchor.variants.all()
    assert (gold.option1, gold.price_minor, gold.compare_at_minor) == ("Gold", 6999, 8500)
    assert (silver.option1, silver.price_minor, silver.stock_quantity) == ("Silver", 5500, 0)
    assert silver.image is not None
    assert silver.image.url.endswith("anchor-bracelet-for-men_925x.jpg")
    assert [image.position for image in anchor.images.all()] == [1, 2, 3]
    choker = Product.objects.get(handle="choker-with-gold-pendant")
    assert '<li>Length, 12" with 2.5" extender</li>' in choker.description_html


def test_check_says_what_the_import_does(in_acme: TenantRef) -> None:
    run(csv_text([one(), one(Handle="gemstone", Title="Old")]))
    checked = run(jewelery(), writes=False)
    imported = run(jewelery())
    assert checked == imported
    assert counts(imported) == (19, 1, 0, 0)


def test_check_writes_nothing(in_acme: TenantRef) -> None:
    run(csv_text([one(**{"Variant Inventory Qty": "3"})]))
    before = [list(table.objects.order_by("pk").values()) for table in TABLES]
    changed = one(Title="Other", **{"Variant Inventory Qty": "9", "Image Src": "https://e.com/1"})
    report = run(csv_text([changed, one(Handle="new")]), writes=False)
    assert counts(report) == (1, 1, 0, 0)
    assert [list(table.objects.order_by("pk").values()) for table in TABLES] == before


def test_second_import_changes_nothing(in_acme: TenantRef) -> None:
    run(jewelery())
    before = [list(table.objects.order_by("pk").values()) for table in TABLES]
    assert counts(run(jewelery())) == (0, 0, 20, 0)
    assert [list(table.objects.order_by("pk").values()) for table in TABLES] == before


def test_changes_are_told_before_and_after(in_acme: TenantRef) -> None:
    run(csv_text([one(Vendor="A", **{"Variant Inventory Qty": "3"})]))
    change = one(Vendor="B", **{"Variant Price": "20.50", "Variant Inventory Qty": "5"})
    report = run(csv_text([change]), writes=False)
    assert report.changes == [
        {
            "handle": "mug",
            "title": "Mug",
            "kind": "updated",
            "changes": [
                ["Vendor", "A", "B"],
                ["Price", "€18.00", "€20.50"],
                ["Stock", "3", "5"],
            ],
        }
    ]


def test_product_is_found_by_its_handle_and_keeps_its_key(in_acme: TenantRef) -> None:
    run(csv_text([one()]))
    before = Product.objects.get()
    run(csv_text([one(Title="Big mug")]))
    after = Product.objects.get()
    assert (after.pk, after.title, after.published_at) == (
        before.pk,
        "Big mug",
        before.published_at,
    )


def test_variant_is_found_by_its_options_else_by_its_sku(in_acme: TenantRef) -> None:
    rows = [
        one(**{"Option1 Name": "Size", "Option1 Value": "S", "Variant SKU": "A"}),
        {"Handle": "mug", "Option1 Value": "L", "Variant SKU": "B", "Variant Price": "20"},
    ]
    run(csv_text(rows))
    keys = dict(ProductVariant.objects.values_list("sku", "pk"))
    rows[0]["Option1 Value"] = "Small"
    rows[1]["Variant SKU"] = "B2"
    assert counts(run(csv_text(rows))) == (0, 1, 0, 0)
    assert dict(ProductVariant.objects.values_list("option1", "pk")) == {
        "Small": keys["A"],
        "L": keys["B"],
    }
    assert ProductVariant.objects.get(option1="L").sku == "B2"


def test_what_a_file_does_not_name_stays(in_acme: TenantRef) -> None:
    full = one(
        Vendor="Acme",
        Tags="a, b",
        **{
            "Body (HTML)": "<p>x</p>",
            "Option1 Name": "Size",
            "Option1 Value": "S",
            "Image Src": "https://e.com/1",
            "Variant Inventory Qty": "7",
            "Published": "true",
        },
    )
    run(csv_text([full, {"Handle": "mug", "Option1 Value": "L", "Variant Price": "20"}]))
    run(csv_text([one(**{"Option1 Value": "S", "Variant Price": "19"})]))
    product = Product.objects.get()
    assert (product.vendor, product.tags, product.state) == ("Acme", ["a", "b"], State.PUBLISHED)
    assert product.images.count() == 1
    assert [(v.option1, v.price_minor, v.stock_quantity) for v in product.variants.all()] == [
        ("S", 1900, 7),
        ("L", 2000, 0),
    ]


def test_stock_changes_by_movements(in_acme: TenantRef) -> None:
    for quantity in ("5", "5", "2"):
        run(csv_text([one(**{"Variant Inventory Qty": quantity})]))
    moved = StockMovement.objects.order_by("pk").values_list("delta", "quantity_after", "reason")
    assert list(moved) == [(5, 5, "imported"), (-3, 2, "imported")]
    assert ProductVariant.objects.get().stock_quantity == 2


def test_category_is_made_with_all_above_it(in_acme: TenantRef) -> None:
    rows = [
        one(**{"Product Category": "Home > Kitchen > Mugs"}),
        one(Handle="jug", **{"Product Category": "Home > Kitchen > Jugs"}),
    ]
    report = run(csv_text(rows))
    assert counts(report) == (2, 0, 0, 0)
    assert set(Category.objects.values_list("path", flat=True)) == {
        "Home",
        "Home > Kitchen",
        "Home > Kitchen > Mugs",
        "Home > Kitchen > Jugs",
    }
    assert Product.objects.get(handle="mug").category == Category.objects.get(name="Mugs")
    assert counts(run(csv_text(rows))) == (0, 0, 2, 0)


def test_state_follows_the_file(in_acme: TenantRef) -> None:
    run(csv_text([one(Published="false")]))
    assert Product.objects.get().state == State.DRAFT
    run(csv_text([one(Published="true")]))
    first = Product.objects.get().published_at
    assert first is not None
    run(csv_text([one(Status="archived")]))
    assert Product.objects.get().archived_at is not None
    run(csv_text([one(Status="active")]))
    product = Product.objects.get()
    assert (product.state, product.published_at, product.archived_at) == (
        State.PUBLISHED,
        first,
        None,
    )


# --- faults --------------------------------------------------------------------------------------

FAULTY = [one(), one(Handle="jug", **{"Variant Price": "x"}), one(Handle="bowl")]


def test_faulty_product_keeps_the_whole_file_out(in_acme: TenantRef) -> None:
    ear = Ear()
    report = run(csv_text(FAULTY), ear=ear)
    assert counts(report) == (2, 0, 0, 1)
    assert not Product.objects.exists()
    assert [(p.row_number, p.column) for p in ear.problems] == [(3, "Variant Price")]
    assert [(row[0], sentence[:13]) for row, sentence in ear.rows] == [(3, "Variant Price")]


def test_faulty_product_alone_is_left_out_where_that_is_wanted(in_acme: TenantRef) -> None:
    report = run(csv_text(FAULTY), skips_faulty=True)
    assert counts(report) == (2, 0, 0, 1)
    assert set(Product.objects.values_list("handle", flat=True)) == {"mug", "bowl"}


def test_product_is_left_out_with_all_its_rows(in_acme: TenantRef) -> None:
    rows = [
        one(**{"Option1 Value": "S"}),
        {"Handle": "mug", "Option1 Value": "L", "Variant Price": "x"},
        {"Handle": "mug", "Image Src": "https://e.com/1"},
    ]
    ear = Ear()
    run(csv_text(rows), skips_faulty=True, ear=ear)
    assert not Product.objects.exists()
    assert [row[0] for row, _ in ear.rows] == [2, 3, 4]
    assert [bool(sentence) for _, sentence in ear.rows] == [False, True, False]


def test_rows_of_a_product_that_stand_apart(in_acme: TenantRef) -> None:
    ear = Ear()
    run(csv_text([one(), one(Handle="jug"), one()]), skips_faulty=True, ear=ear)
    (problem,) = ear.problems
    assert problem.row_number == 4
    assert "stood further up already" in problem.sentence


def test_handles_that_become_one(in_acme: TenantRef) -> None:
    ear = Ear()
    run(csv_text([one(Handle="Blue Mug"), one(Handle="blue-mug")]), skips_faulty=True, ear=ear)
    assert "stood further up already" in ear.problems[0].sentence
    assert Product.objects.count() == 1


@pytest.mark.parametrize("writes", [True, False])
def test_description_is_cleaned(in_acme: TenantRef, writes: bool) -> None:
    html = (
        "<p>x</p><script>alert(1)</script><img src=x onerror=alert(1)><a href=javascript:a()>y</a>"
    )
    run(csv_text([one(**{"Body (HTML)": html})]))
    kept = Product.objects.get().description_html
    assert "script" not in kept
    assert "onerror" not in kept
    # The raw HTML of the same file is no change.
    assert counts(run(csv_text([one(**{"Body (HTML)": html})]), writes=writes)) == (0, 0, 1, 0)


# --- found by SKU ---------------------------------------------------------------------------------

TWO_SIZES = (
    "handle,title,option1 name,option1,sku,price,stock\nmug,Mug,Size,S,M-S,18,4\nmug,,,L,M-L,20,4\n"
)


def test_prices_are_changed_by_sku_alone(in_acme: TenantRef) -> None:
    run(TWO_SIZES + "jug,Jug,,,J,30,1\n")
    ear = Ear()
    report = run("sku;price;stock\nM-L;21,50;4\nJ;30;9\nM-S;18;4\n", match_by=MatchBy.SKU, ear=ear)
    assert counts(report) == (0, 2, 1, 0)
    assert ear.changes == [
        {
            "handle": "mug",
            "title": "Mug",
            "kind": "updated",
            "changes": [["Price of L", "€20.00", "€21.50"]],
        },
        {"handle": "jug", "title": "Jug", "kind": "updated", "changes": [["Stock", "1", "9"]]},
    ]
    assert list(
        ProductVariant.objects.order_by("sku").values_list(
            "sku", "option1", "position", "price_minor", "stock_quantity", "tracks_stock"
        )
    ) == [
        ("J", "", 1, 3000, 9, True),
        ("M-L", "L", 2, 2150, 4, True),
        ("M-S", "S", 1, 1800, 4, True),
    ]


def test_product_found_by_sku_keeps_its_handle(in_acme: TenantRef) -> None:
    run(TWO_SIZES)
    report = run(TWO_SIZES.replace("mug,", "cup,").replace("M-L", "M-XL"), match_by=MatchBy.SKU)
    assert counts(report) == (0, 1, 0, 0)
    assert Product.objects.get().handle == "mug"
    assert ProductVariant.objects.filter(sku="M-XL", option1="L").count() == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sku,price\nX,1\n", 'No variant here has the SKU "X", and a new product needs a title.'),
        ("sku,price\nM-S,1\nM-S,2\n", 'The SKU "M-S" stood further up already.'),
        ("handle,sku,price\na,M-S,1\na,J,2\n", "belong to several here: Jug, Mug."),
        ("sku,title\nX,New\n", "A new variant needs a price. Write it in digits, as 42.99."),
    ],
)
def test_sku_that_says_nothing_or_too_much(in_acme: TenantRef, text: str, sentence: str) -> None:
    run(TWO_SIZES + "jug,Jug,,,J,30,1\n")
    ear = Ear()
    run(text, match_by=MatchBy.SKU, ear=ear)
    assert sentence in ear.problems[-1].sentence


def test_sku_of_another_product_in_ones_own_file(in_acme: TenantRef) -> None:
    run(TWO_SIZES)
    ear = Ear()
    report = run("handle,title,sku,price\ncup,Cup,M-S,9\nbowl,Bowl,B,9\nvat,Vat,B,9\n", ear=ear)
    assert counts(report) == (1, 0, 0, 2)
    assert [(problem.row_number, problem.sentence) for problem in ear.problems] == [
        (2, 'The SKU "M-S" is another variant\'s here. Give each variant its own.'),
        (4, 'The SKU "B" stood further up already. Give each variant its own.'),
    ]


def test_sku_that_a_shop_has_twice_is_taken_as_it_is(in_acme: TenantRef) -> None:
    ear = Ear()
    rows = [one(**{"Variant SKU": "A"}), one(Handle="jug", **{"Variant SKU": "A"})]
    assert counts(run(csv_text(rows), ear=ear)) == (2, 0, 0, 0)
    assert [problem.is_fatal for problem in ear.problems] == [False]
    assert "It was taken as it is." in ear.problems[0].sentence
    assert list(ProductVariant.objects.values_list("sku", flat=True)) == ["A", "A"]


def test_skus_may_change_places(in_acme: TenantRef) -> None:
    run(TWO_SIZES)
    swapped = TWO_SIZES.replace("M-S", "?").replace("M-L", "M-S").replace("?", "M-L")
    assert counts(run(swapped)) == (0, 1, 0, 0)
    assert dict(ProductVariant.objects.values_list("option1", "sku")) == {"S": "M-L", "L": "M-S"}


# --- what is doubtful -----------------------------------------------------------------------------


def test_price_before_that_is_lower(in_acme: TenantRef) -> None:
    ear = Ear()
    row = one(**{"Variant Compare At Price": "17.99"})
    assert counts(run(csv_text([row]), ear=ear)) == (1, 0, 0, 0)
    assert ear.problems[0].sentence == "The price before is lower than the price. It is not shown."
    assert not ProductVariant.objects.get().is_reduced
    report = run("handle,title,price,price before\njug,Jug,18,17.99\n", ear=ear)
    assert counts(report) == (0, 0, 0, 1)
    ProductVariant.objects.update(compare_at_minor=2000)
    assert counts(run("handle,price\nmug,21\n", ear=ear)) == (0, 0, 0, 1)
    assert "Write a higher one, or leave it empty." in ear.problems[-1].sentence


def test_columns_of_another_file_stay(in_acme: TenantRef) -> None:
    run(csv_text([one(Mine="a", **{"Variant Tax Code": "T"})]))
    run(csv_text([one(Yours="b")]))
    run(csv_text([one(Mine="", Yours="c")]))
    assert Product.objects.get().extra == {"Yours": "c"}
    assert ProductVariant.objects.get().extra == {"Variant Tax Code": "T"}


def test_stock_of_an_import_warns_once(in_acme: TenantRef) -> None:
    header = "handle,title,price,stock,warn at\n"
    run(header + "".join(f"mug-{n},Mug {n},18,9,3\n" for n in range(3)))
    run(header + "".join(f"mug-{n},Mug {n},18,{n},3\n" for n in range(3)))
    run(header + "".join(f"mug-{n},Mug {n},18,0,3\n" for n in range(3)))
    assert StockAlert.objects.count() == 3
    assert Entry.objects.filter(verb="stock.fell_low").count() == 3


# --- size ----------------------------------------------------------------------------------------


def many_rows(count: int) -> Iterator[bytes]:
    """A file of `count` rows, two to a product, made while it is read."""
    yield b"Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant SKU,Variant Price\r\n"
    body = b'"<p>' + b"Stoneware, fired slowly. " * 20 + b'</p>"'
    for number in range(count // 2):
        handle = b"product-%d" % number
        yield handle + b",Product %d," % number + body + b",Size,S,S-%d,12.50\r\n" % number
        yield handle + b",,,,L,L-%d,14.50\r\n" % number


def peak_memory(count: int, *, writes: bool) -> tuple[Report, int]:
    with transaction.atomic():
        tracemalloc.start()
        report = run(CsvFile(lambda: many_rows(count)), writes=writes)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        transaction.set_rollback(True)
    return report, peak


@pytest.mark.slow
@pytest.mark.parametrize("writes", [False, True])
def test_memory_does_not_grow_with_the_file(in_acme: TenantRef, writes: bool) -> None:
    peak_memory(1_000, writes=writes)  # what is loaded once
    _, small = peak_memory(1_000, writes=writes)
    report, large = peak_memory(8_000, writes=writes)
    assert counts(report) == (4_000, 0, 0, 0)
    # What grows is the digests of a handle and two SKUs, under 100 bytes a product; the rest is what
    # waits for the garbage collector, more on Python 3.13. Keeping the texts alone would be 500 bytes
    # each.
    assert large - small < 3_500 * 100 + 600_000, (small, large)


@pytest.mark.slow
def test_50_000_rows(in_acme: TenantRef, acme_people: People) -> None:
    report = run(CsvFile(lambda: many_rows(50_000)))
    assert counts(report) == (25_000, 0, 0, 0)
    assert Product.objects.count() == 25_000
    assert ProductVariant.objects.count() == 50_000
    assert counts(run(CsvFile(lambda: many_rows(50_000)), writes=False)) == (0, 0, 25_000, 0)
