import pytest

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import catalogue, stock
from tenant_apps.products.errors import (
    CategoryInUse,
    CategoryTaken,
    CategoryTooDeep,
    HandleReserved,
    HandleTaken,
    NoVariant,
    StockInvalid,
    WrongState,
)
from tenant_apps.products.models import (
    Category,
    Product,
    ProductImage,
    ProductOption,
    ProductVariant,
    State,
    StockMovement,
)
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tests.tenant_apps.conftest import People, make_product


def test_product_gets_a_handle_and_a_clean_description(
    in_acme: TenantRef, acme_people: People
) -> None:
    for handle in ("big-mug", "big-mug-2"):
        product = catalogue.add_product(
            product=Product(title="Big Mug", description_html="<p>x</p><script>1</script>"),
            by=acme_people["editor"],
        )
        assert (product.handle, product.description_html) == (handle, "<p>x</p>")


def test_handle_of_another_product(in_acme: TenantRef, acme_people: People) -> None:
    make_product("Mug")
    with pytest.raises(HandleTaken, match='has the handle "mug" already'):
        catalogue.add_product(product=Product(title="x", handle="mug"), by=acme_people["editor"])
    jug = make_product("Jug")
    with pytest.raises(HandleTaken):
        catalogue.change_product(product=jug, changes={"handle": "mug"}, by=acme_people["editor"])


def test_product_without_a_price_is_not_sold(in_acme: TenantRef, acme_people: People) -> None:
    product = catalogue.add_product(product=Product(title="x"), by=acme_people["editor"])
    with pytest.raises(NoVariant, match="has no price"):
        catalogue.publish_product(product=product, by=acme_people["editor"])
    assert Product.objects.get().state == State.DRAFT


def test_way_of_a_product(in_acme: TenantRef, acme_people: People) -> None:
    editor, product = acme_people["editor"], make_product(published=False)
    catalogue.publish_product(product=product, by=editor)
    with pytest.raises(WrongState, match="is published; this step starts from archived or draft"):
        catalogue.publish_product(product=product, by=editor)
    catalogue.archive_product(product=product, by=editor)
    catalogue.publish_product(product=product, by=editor)
    catalogue.unpublish_product(product=product, by=editor)
    verbs = list(Entry.objects.about(product).values_list("verb", flat=True))
    assert verbs == [
        "product.unpublished",
        "product.published",
        "product.archived",
        "product.published",
    ]


@pytest.mark.parametrize("role", ["author", "member"])
def test_product_is_changed_by_those_who_may(
    in_acme: TenantRef, acme_people: People, role: str
) -> None:
    product, person = make_product(published=False), acme_people[role]
    for call in (
        lambda: catalogue.add_product(product=Product(title="x"), by=person),
        lambda: catalogue.change_product(product=product, changes={"title": "x"}, by=person),
        lambda: catalogue.change_parts(
            product=product, removed=[product.variants.get()], by=person
        ),
        lambda: catalogue.publish_product(product=product, by=person),
        lambda: catalogue.delete_product(product=product, by=person),
        lambda: stock.count_stock(variant=product.variants.get(), quantity=1, by=person),
    ):
        with pytest.raises(NotAllowed, match="Your role does not let you"):
            call()
    assert Product.objects.get().title == "Mug"


def test_counted_stock_is_a_movement(in_acme: TenantRef, acme_people: People) -> None:
    variant = make_product().variants.get()
    for quantity in (5, 5, 3):
        stock.count_stock(variant=variant, quantity=quantity, by=acme_people["editor"])
    moved = StockMovement.objects.order_by("pk").values_list("delta", "quantity_after", "by__email")
    assert list(moved) == [(5, 5, "editor@acme.example"), (-2, 3, "editor@acme.example")]
    with pytest.raises(StockInvalid, match="cannot be negative"):
        stock.count_stock(variant=variant, quantity=-1, by=acme_people["editor"])


def test_path_of_a_category_follows_its_parents(in_acme: TenantRef, acme_people: People) -> None:
    owner = acme_people["owner"]
    top = catalogue.place_category(category=Category(name="Home", slug="home"), by=owner)
    below = catalogue.place_category(
        category=Category(name="Mugs", slug="mugs", parent=top), by=owner
    )
    assert below.path == "Home > Mugs"
    top.name = "House"
    catalogue.place_category(category=top, by=owner)
    below.refresh_from_db()
    assert below.path == "House > Mugs"


@pytest.mark.parametrize("handle", ["import", "category"])
def test_handle_of_a_page_is_refused(in_acme: TenantRef, acme_people: People, handle: str) -> None:
    editor, mug = acme_people["editor"], make_product("Mug")
    with pytest.raises(HandleReserved, match=f'"{handle}" is the address of another page'):
        catalogue.add_product(product=Product(title="x", handle=handle), by=editor)
    with pytest.raises(HandleReserved):
        catalogue.change_product(product=mug, changes={"handle": handle}, by=editor)
    made = catalogue.add_product(product=Product(title=handle.title()), by=editor)
    assert made.handle == f"{handle}-2"
    assert set(Product.objects.values_list("handle", flat=True)) == {"mug", made.handle}


# --- variants, options and pictures ---------------------------------------------------------------


def test_parts_are_kept_and_removed(in_acme: TenantRef, acme_people: People) -> None:
    editor, product = acme_people["editor"], make_product()
    old = product.variants.get()
    red = ProductVariant(product=product, option1="Red", price_minor=900, stock_quantity=4)
    catalogue.change_parts(
        product=product,
        kept=[
            red,
            ProductOption(product=product, position=1, name="Colour"),
            ProductImage(product=product, url="/static/red.jpg"),
        ],
        removed=[old],
        by=editor,
    )
    assert product.variants.get() == red
    assert (red.stock_quantity, StockMovement.objects.get().delta) == (4, 4)
    assert (product.options.get().name, product.images.get().url) == ("Colour", "/static/red.jpg")
    entry = Entry.objects.about(product).get()
    assert entry.before == {"variants": ["Standard (0 in stock)"]}
    assert entry.after == {
        "variants": ["Red (4 in stock)"],
        "options": ["Colour"],
        "pictures": ["/static/red.jpg"],
    }


def test_product_on_sale_keeps_a_variant(in_acme: TenantRef, acme_people: People) -> None:
    editor, product = acme_people["editor"], make_product()
    with pytest.raises(NoVariant, match="would take its last variant and so its price"):
        catalogue.change_parts(product=product, removed=[product.variants.get()], by=editor)
    assert product.variants.count() == 1
    assert not Entry.objects.about(product).exists()
    catalogue.unpublish_product(product=product, by=editor)
    catalogue.change_parts(product=product, removed=[product.variants.get()], by=editor)
    assert not product.variants.exists()


def test_part_of_another_product_is_refused(in_acme: TenantRef, acme_people: People) -> None:
    mug, jug = make_product("Mug"), make_product("Jug", published=False)
    with pytest.raises(ValueError, match="part of another product"):
        catalogue.change_parts(product=jug, removed=[mug.variants.get()], by=acme_people["editor"])
    assert mug.variants.count() == 1


def test_history_of_stock_outlives_the_variant_and_not_the_product(
    in_acme: TenantRef, acme_people: People
) -> None:
    editor, product = acme_people["editor"], make_product(published=False)
    variant = product.variants.get()
    stock.count_stock(variant=variant, quantity=5, by=editor)
    catalogue.change_parts(product=product, removed=[variant], by=editor)
    kept = StockMovement.objects.get()
    assert (kept.product, kept.variant, kept.variant_label, kept.delta) == (
        *(product, None, "Standard"),
        5,
    )
    catalogue.delete_product(product=product, by=editor)
    assert not StockMovement.objects.exists()


# --- categories -----------------------------------------------------------------------------------


def place(by: User, name: str, parent: Category | None = None, slug: str = "") -> Category:
    slug = slug or name.lower()[:100]
    return catalogue.place_category(category=Category(name=name, slug=slug, parent=parent), by=by)


def test_category_that_is_there_already(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    home = place(editor, "Home")
    mugs = place(editor, "Mugs", home)
    with pytest.raises(CategoryTaken, match='There is a category "Home > Mugs" already'):
        place(editor, "Mugs", home, slug="other")
    with pytest.raises(CategoryTaken, match='Another category has the address "mugs" already'):
        place(editor, "Cups", home, slug="mugs")
    mugs.parent = None
    catalogue.place_category(category=mugs, by=editor)
    with pytest.raises(CategoryTaken):
        place(editor, "Mugs", slug="other")
    assert set(Category.objects.values_list("path", flat=True)) == {"Home", "Mugs"}


def test_category_that_stands_too_deep(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    names = [letter * 120 for letter in "abcd"]
    parent = None
    for name in names:
        parent = place(editor, name, parent)
    with pytest.raises(CategoryTooDeep, match="500 is the most that fits"):
        place(editor, "e" * 20, parent)
    # Those below move with it, so it may be one of them that no longer fits.
    top = place(editor, "top")
    first = Category.objects.get(name=names[0])
    first.parent = top
    below = place(editor, "f" * 8, parent)
    with pytest.raises(CategoryTooDeep):
        catalogue.place_category(category=first, by=editor)
    below.refresh_from_db()
    assert below.path == " > ".join([*names, "f" * 8])


def test_category_leaves_lines_in_the_trail(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    home = place(editor, "Home")
    mugs = place(editor, "Mugs", home)
    home.name = "House"
    catalogue.place_category(category=home, by=editor)
    with pytest.raises(CategoryInUse, match='Other categories stand below "House"'):
        catalogue.delete_category(category=home, by=editor)
    catalogue.delete_category(category=mugs, by=editor)
    catalogue.delete_category(category=home, by=editor)
    lines = Entry.objects.filter(object_type="products.category").order_by("id")
    assert [(entry.verb, entry.object_label) for entry in lines] == [
        ("category.added", "Home"),
        ("category.added", "Mugs"),
        ("category.changed", "House"),
        ("category.deleted", "Mugs"),
        ("category.deleted", "House"),
    ]


@pytest.mark.parametrize("role", ["author", "member"])
def test_category_by_somebody_who_may_not(
    in_acme: TenantRef, acme_people: People, role: str
) -> None:
    home = place(acme_people["editor"], "Home")
    with pytest.raises(NotAllowed):
        place(acme_people[role], "Mugs")
    with pytest.raises(NotAllowed):
        catalogue.delete_category(category=home, by=acme_people[role])
    assert Category.objects.get() == home
