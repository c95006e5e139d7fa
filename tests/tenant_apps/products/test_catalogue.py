import pytest

from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import catalogue, stock
from tenant_apps.products.errors import HandleTaken, NoVariant, WrongState
from tenant_apps.products.models import Category, Product, State, StockMovement
from tenant_apps.users.errors import NotAllowed
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
    with pytest.raises(ValueError, match="cannot be negative"):
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
