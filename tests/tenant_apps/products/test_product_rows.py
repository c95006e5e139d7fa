import pytest

from tenant_apps.products.errors import WrongHeader
from tenant_apps.products.file_formats import read_columns
from tenant_apps.products.models import MatchBy, State
from tenant_apps.products.product_rows import ParsedProduct, group_rows, parse_product
from tests.tenant_apps.products.csv_texts import csv_file, csv_text, one


def parse(*rows: dict[str, str], currency: str = "EUR") -> list[ParsedProduct]:
    file = csv_file(csv_text(rows))
    columns = read_columns(file.read_header())
    groups = group_rows(file.rows(), columns)
    return [parse_product(group, columns, currency=currency) for group in groups]


def sentences(*rows: dict[str, str]) -> list[tuple[int, str, str]]:
    return [
        (problem.row_number, problem.column, problem.sentence)
        for product in parse(*rows)
        for problem in product.problems
    ]


# --- header -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (["Title", "Variant Price"], 'The column "Handle" is missing'),
        (["a", "b"], 'The columns "Handle", "Title" and "Variant Price" are missing'),
        (
            ["Handle", "Title", "Variant Price", "Variant SKU", "variant sku"],
            '"variant sku" more than once',
        ),
        (["Handle", "Title", "Variant Price", "Option4 Name"], "a product has 3 options at most"),
        (["handle", "title", "price", "Option 4"], "a product has 3 options at most"),
        (["price", "stock"], 'The columns "Handle" and "Title" are missing'),
    ],
)
def test_wrong_header(header: list[str], sentence: str) -> None:
    with pytest.raises(WrongHeader, match=sentence.replace(".", r"\.")):
        read_columns(header)


@pytest.mark.parametrize(
    "header",
    [
        ["Handle", "Title", "Variant Price"],
        ["URL handle", "Title", "Price"],
        [" HANDLE ", "title", "variant  price", ""],
    ],
)
def test_header_of_old_and_new_exports(header: list[str]) -> None:
    columns = read_columns(header)
    assert columns.form.name == "shopify"
    assert {"handle", "title", "price"} <= columns.index.keys()


# --- product -------------------------------------------------------------------------------------


def test_row_of_todays_export() -> None:
    (product,) = parse(
        one(
            **{
                "Body (HTML)": "<p onclick=x>Holds\n300 ml</p><script>1</script>",
                "Vendor": "Acme",
                "Product Category": "Home & Garden > Kitchen>Mugs",
                "Type": "Mug",
                "Tags": "Clay, clay, Blue ",
                "Published": "TRUE",
                "Status": "active",
                "Option1 Name": "Glaze",
                "Option1 Value": "Clear",
                "Option1 Linked To": "product.metafields.glaze",
                "Variant SKU": "'0042",
                "Variant Grams": "340.0",
                "Variant Inventory Tracker": "shopify",
                "Variant Inventory Qty": "14",
                "Variant Inventory Policy": "continue",
                "Variant Compare At Price": "20",
                "Cost per item": "7.5",
                "Variant Requires Shipping": "TRUE",
                "Variant Taxable": "false",
                "Image Src": "https://example.com/mug.jpg",
                "Image Position": "1",
                "Image Alt Text": "A mug",
                "Gift Card": "FALSE",
                "SEO Title": "Best mug",
                "Glaze (product.metafields.custom.glaze)": "celadon",
                "Price / International": "25",
                "Variant Weight Unit": "g",
            }
        )
    )
    assert product.problems == []
    assert product.state == State.PUBLISHED
    assert product.category_path == "Home & Garden > Kitchen > Mugs"
    assert product.extra == {
        "Glaze (product.metafields.custom.glaze)": "celadon",
        "Option1 Linked To": "product.metafields.glaze",
        "Price / International": "25",
    }
    assert product.values == {
        "title": "Mug",
        "vendor": "Acme",
        "product_type": "Mug",
        "seo_title": "Best mug",
        "description_html": "<p>Holds\n300 ml</p>",
        "tags": ["Clay", "Blue"],
        "is_gift_card": False,
    }
    assert product.option_names == ["Glaze", "", ""]
    (variant,) = product.variants
    assert variant.options == ("Clear", "", "")
    assert variant.quantity == 14
    assert variant.extra == {"Variant Weight Unit": "g"}
    assert variant.values == {
        "price_minor": 1800,
        "compare_at_minor": 2000,
        "cost_minor": 750,
        "sku": "0042",
        "weight_grams": 340,
        "tracks_stock": True,
        "sells_when_out": True,
        "requires_shipping": True,
        "is_taxable": False,
    }
    (image,) = product.images
    assert (image.url, image.alt, image.position) == ("https://example.com/mug.jpg", "A mug", 1)


def test_rows_with_a_picture_alone_make_no_variant() -> None:
    (product,) = parse(
        one(**{"Option1 Name": "Size", "Option1 Value": "S", "Image Src": "https://e.com/1"}),
        {
            "Handle": "mug",
            "Option1 Value": "L",
            "Variant Price": "20",
            "Image Src": "https://e.com/2",
        },
        {"Handle": "mug", "Image Src": "https://e.com/3"},
        {"Handle": "mug", "Image Src": "https://e.com/1"},
    )
    assert product.problems == []
    assert [variant.options[0] for variant in product.variants] == ["S", "L"]
    assert [image.url[-1] for image in product.images] == ["1", "2", "3"]


def test_default_title_is_no_option() -> None:
    (product,) = parse(one(**{"Option1 Name": "Title", "Option1 Value": "Default Title"}))
    assert product.variants[0].options == ("", "", "")
    assert product.option_names == ["", "", ""]


@pytest.mark.parametrize(
    ("published", "status", "state"),
    [
        ("true", "", State.PUBLISHED),
        ("TRUE", "active", State.PUBLISHED),
        ("false", "", State.DRAFT),
        ("false", "active", State.DRAFT),
        ("true", "draft", State.DRAFT),
        ("true", "archived", State.ARCHIVED),
        ("", "active", State.PUBLISHED),
        ("", "", None),
    ],
)
def test_state_of_old_and_new_exports(published: str, status: str, state: State | None) -> None:
    (product,) = parse(one(Published=published, Status=status))
    assert product.state == state


@pytest.mark.parametrize(
    ("handle", "kept"),
    [("Blue Mug", "blue-mug"), ("mug_2", "mug_2"), ("茶碗", "茶碗"), ("Größe", "grosse")],
)
def test_handle_is_made_fit_for_an_address(handle: str, kept: str) -> None:
    assert parse(one(Handle=handle))[0].handle == kept


def test_silence_of_a_file_changes_nothing() -> None:
    (product,) = parse(one())
    assert product.values == {"title": "Mug"}
    assert product.variants[0].values == {"price_minor": 1800}
    assert product.variants[0].quantity is None


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column", "sentence"),
    [
        ({"Handle": "***"}, "Handle", "neither letters nor digits"),
        ({"Handle": "import"}, "Handle", "the address of another page"),
        ({"Title": ""}, "Title", "needs a title"),
        ({"Title": "x" * 256}, "Title", "256 characters; 255 is the most"),
        (
            {"Variant Price": ""},
            "Variant Price",
            "The price is empty. Write it in digits, as 42.99.",
        ),
        ({"Variant Price": "4,29,9"}, "Variant Price", '"4,29,9" is not a price.'),
        ({"Variant Price": "-1"}, "Variant Price", '"-1" is not a price.'),
        ({"Variant Price": "=1+1"}, "Variant Price", '"=1+1" is not a price.'),
        ({"Variant Price": "9" * 16}, "Variant Price", "Write 10000000000000.00 at most."),
        ({"Variant Compare At Price": "x"}, "Variant Compare At Price", "is not a price"),
        ({"Variant Inventory Qty": "many"}, "Variant Inventory Qty", "Write it in digits, as 12."),
        ({"Variant Inventory Qty": "1.5"}, "Variant Inventory Qty", "is not a whole number"),
        ({"Variant Grams": "heavy"}, "Variant Grams", "is not a weight in grams"),
        ({"Image Src": "javascript:alert(1)"}, "Image Src", "is not the address of a picture"),
        ({"Image Src": "mug.jpg"}, "Image Src", "begin with https:// or http://. It was left out."),
        ({"Published": "perhaps"}, "Published", "neither true nor false. Write one of these."),
        ({"Status": "sold"}, "Status", "none of active, draft, archived. Write one of these."),
    ],
)
def test_bad_cell_is_named(cells: dict[str, str], column: str, sentence: str) -> None:
    ((row, named, said),) = sentences(one(**cells))
    assert (row, named) == (2, column)
    assert sentence in said


def test_bad_price_in_row_3() -> None:
    assert sentences(
        one(**{"Option1 Value": "S"}),
        {"Handle": "mug", "Option1 Value": "L", "Variant Price": "cheap"},
    ) == [
        (
            3,
            "Variant Price",
            (
                '"cheap" is not a price. Write it in digits, with a point and without a currency '
                "sign, as 42.99."
            ),
        )
    ]


def test_same_options_twice() -> None:
    ((row, _, said),) = sentences(
        one(**{"Option1 Value": "S"}),
        {"Handle": "mug", "Option1 Value": "S", "Variant Price": "1"},
    )
    assert row == 3
    assert "the same options as row 2" in said


def test_row_with_too_many_cells() -> None:
    file = csv_file("Handle,Title,Variant Price\nmug,Mug,with a handle,18.00\n")
    columns = read_columns(file.read_header())
    (rows,) = group_rows(file.rows(), columns)
    (problem,) = parse_product(rows, columns, currency="EUR").problems
    assert "The row has 4 cells and the header 3." in problem.sentence


def test_row_with_a_nul_character() -> None:
    ((_, _, said),) = sentences(one(Title="Mu\x00g"))
    assert "NUL character" in said


def test_negative_stock_is_a_note() -> None:
    (product,) = parse(one(**{"Variant Inventory Qty": "-3"}))
    assert not product.is_faulty
    assert product.variants[0].quantity == 0
    assert "-3 was taken as 0" in product.problems[0].sentence


def test_formula_that_was_guarded_comes_back() -> None:
    (product,) = parse(one(Title="'=Mug"))
    assert product.values["title"] == "=Mug"


# --- what shops' files are like ---------------------------------------------------------------------


def test_row_without_a_handle_goes_on_with_the_product_above() -> None:
    mug, jug = parse(
        one(**{"Option1 Name": "Size", "Option1 Value": "S"}),
        {"Handle": "", "Option1 Value": "L", "Variant Price": "20"},
        {"Handle": "", "Image Src": "https://e.com/1"},
        one(Handle="", Title="Big Jug"),
    )
    assert [variant.options[0] for variant in mug.variants if variant.options] == ["S", "L"]
    assert len(mug.images) == 1
    assert (jug.handle, jug.problems) == ("big-jug", [])


def test_columns_that_nobody_knows_are_kept_where_they_stand() -> None:
    text = (
        "Handle,Title,Option1 Name,Option1 Value,Variant Price,Mine,Mine,Variant Tax Code\n"
        "mug,Mug,Size,S,18,a,b,T1\nmug,,,L,20,c,,T2\n"
    )
    file = csv_file(text)
    columns = read_columns(file.read_header())
    (rows,) = group_rows(file.rows(), columns)
    product = parse_product(rows, columns, currency="EUR")
    assert product.problems == []
    assert product.extra == {"Mine": "a", "Mine (2)": "b"}
    assert [variant.extra for variant in product.variants] == [
        {"Variant Tax Code": "T1"},
        {"Mine": "c", "Variant Tax Code": "T2"},
    ]


def test_better_of_two_names_for_one_thing_holds() -> None:
    columns = read_columns(["Handle", "Title", "SKU", "Variant Price", "Variant SKU", "Price"])
    assert (columns.name_of("sku"), columns.name_of("price")) == ("Variant SKU", "Variant Price")
    assert set(columns.extra) == {"SKU", "Price"}


def test_addresses_of_pictures_as_shops_write_them() -> None:
    (product,) = parse(
        one(**{"Image Src": "//cdn.example.com/a.jpg"}),
        {"Handle": "mug", "Image Src": "https://example.com/a blue mug.jpg"},
    )
    assert [image.url for image in product.images] == [
        "https://cdn.example.com/a.jpg",
        "https://example.com/a%20blue%20mug.jpg",
    ]
    assert product.problems == []


def test_negative_stock_of_what_sells_when_it_is_out_is_kept() -> None:
    (product,) = parse(
        one(**{"Variant Inventory Qty": "-3", "Variant Inventory Policy": "continue"})
    )
    assert (product.variants[0].quantity, product.problems) == (-3, [])


@pytest.mark.parametrize("price", ["42,99", "€42.99", "42.99 €", "EUR 42,99"])
def test_price_with_a_comma_or_a_sign(price: str) -> None:
    (product,) = parse(one(**{"Variant Price": price}))
    assert (product.variants[0].values["price_minor"], product.problems) == (4299, [])


def test_sign_of_another_currency_is_a_note() -> None:
    (product,) = parse(one(**{"Variant Price": "$1,042.99"}))
    assert product.variants[0].values["price_minor"] == 104299
    assert [problem.sentence for problem in product.problems] == ['"$1,042.99" was taken as EUR.']
    assert not product.is_faulty


# --- Terrace's own format ---------------------------------------------------------------------------


def simple(text: str, match_by: MatchBy = MatchBy.HANDLE) -> list[ParsedProduct]:
    file = csv_file(text)
    columns = read_columns(file.read_header(), match_by=match_by)
    assert columns.form.name == "simple"
    groups = group_rows(file.rows(), columns)
    return [parse_product(rows, columns, currency="EUR", match_by=match_by) for rows in groups]


def test_row_of_terraces_own_format() -> None:
    (product,) = simple(
        "handle,title,state,category,tags,option1_name,option1,sku,price,price_before,stock,warn_at,"
        "sells_when_out,images\n"
        'mug,Mug,published,Home > Mugs,"a, b",Size,S,M-S,18.00,20.00,4,2,yes,'
        '"https://e.com/1 A blue mug\nhttps://e.com/2"\n'
        "mug,,,,,,L,M-L,20.00,,0,,no,\n"
    )
    assert product.problems == []
    assert (product.state, product.category_path) == (State.PUBLISHED, "Home > Mugs")
    assert [(image.url, image.alt, image.position) for image in product.images] == [
        ("https://e.com/1", "A blue mug", 1),
        ("https://e.com/2", "", 2),
    ]
    small, large = product.variants
    assert small.values == {
        "price_minor": 1800,
        "compare_at_minor": 2000,
        "sku": "M-S",
        "sells_when_out": True,
        "low_stock_at": 2,
    }
    assert (small.quantity, small.new_values) == (4, {"tracks_stock": True})
    assert (large.options, large.quantity) == (("L", "", ""), 0)


def test_rows_of_skus_alone_stand_for_themselves() -> None:
    first, second = simple("sku,price\nA,1\nB,2\n", MatchBy.SKU)
    assert (first.handle, first.variants[0].options, first.problems) == ("", None, [])
    assert second.variants[0].values == {"sku": "B", "price_minor": 200}


@pytest.mark.parametrize(
    ("cells", "column", "sentence"),
    [
        ("mug,Mug,x,1", "price", '"x" is not a price'),
        ("mug,Mug,-1,1", "price", '"-1" is not a price'),
        ("mug,Mug,1,-1", "stock", "Stock cannot be negative. Write 0 or more."),
        (",,1,1", "handle", "The handle is empty"),
    ],
)
def test_doubtful_cell_of_ones_own_file_is_refused(cells: str, column: str, sentence: str) -> None:
    (product,) = simple(f"handle,title,price,stock\n{cells}\n")
    (problem,) = product.problems
    assert (problem.row_number, problem.column, problem.is_fatal) == (2, column, True)
    assert sentence in problem.sentence


@pytest.mark.parametrize(
    ("header", "match_by", "sentence"),
    [
        (["handle", "title", "price"], MatchBy.SKU, "the file has no column for it"),
        (["sku", "price"], MatchBy.HANDLE, 'The column "Handle" is missing'),
    ],
)
def test_file_without_what_products_are_found_by(
    header: list[str], match_by: MatchBy, sentence: str
) -> None:
    with pytest.raises(WrongHeader, match=sentence):
        read_columns(header, match_by=match_by)
