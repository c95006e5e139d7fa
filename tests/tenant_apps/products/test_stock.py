import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail
from django.db import connections
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import catalogue, stock, stock_alerts
from tenant_apps.products.errors import StockInvalid, StockTooLow, VariantGone
from tenant_apps.products.models import (
    MovementReason,
    Product,
    ProductVariant,
    StockAlert,
    StockMovement,
    StockWatch,
)
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tests.tenant_apps.conftest import LoggedIn, People, make_product
from tests.tenant_apps.problems import sentences

# The request's own transaction is a savepoint inside the test's.
SAVEPOINT = 2


def stocked(title: str = "Mug", *, pieces: int = 10, by: User, **values: object) -> ProductVariant:
    """A variant that is counted, with so many pieces."""
    variant = make_product(title).variants.get()
    ProductVariant.objects.filter(pk=variant.pk).update(tracks_stock=True, **values)
    variant.refresh_from_db()
    stock.count_stock(variant=variant, quantity=pieces, by=by)
    return variant


def take(variant: ProductVariant, pieces: int, by: User) -> StockMovement:
    return stock.move_stock(variant=variant, delta=-pieces, reason=MovementReason.SOLD, by=by)


def left(variant: ProductVariant) -> int:
    return ProductVariant.objects.get(pk=variant.pk).stock_quantity


def test_movement_says_who_why_when_and_how_many(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    variant = stocked(by=editor)
    movement = stock.move_stock(
        variant=variant, delta=-3, reason=MovementReason.LOST, by=editor, note="Fell off the shelf"
    )
    assert (left(variant), variant.stock_quantity) == (7, 7)
    movement.refresh_from_db()
    assert (movement.delta, movement.quantity_after, movement.reason) == (-3, 7, "lost")
    assert (movement.by, movement.note) == (editor, "Fell off the shelf")
    assert sum(StockMovement.objects.values_list("delta", flat=True)) == 7


def test_stock_is_never_negative(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    variant = stocked(pieces=1, by=editor)
    with pytest.raises(StockTooLow, match=r"Only 1 piece is in stock, so 2 cannot be taken\."):
        take(variant, 2, editor)
    with pytest.raises(StockInvalid, match=r"Stock cannot be negative\. Write 0 or more\."):
        stock.count_stock(variant=variant, quantity=-1, by=editor)
    assert (left(variant), StockMovement.objects.count()) == (1, 1)


def test_variant_that_sells_when_out_may_be_owed(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    variant = stocked(pieces=1, by=editor, sells_when_out=True)
    take(variant, 3, editor)
    assert left(variant) == -2
    variant.sells_when_out = False
    with pytest.raises(StockInvalid) as refused:
        catalogue.change_parts(product=variant.product, kept=[variant], by=editor)
    assert refused.value.field == "stock_quantity"
    with pytest.raises(StockInvalid, match="Count it first"):
        catalogue.change_parts(
            product=variant.product, kept=[variant], uncounted=[variant], by=editor
        )
    variant.stock_quantity = 4
    catalogue.change_parts(product=variant.product, kept=[variant], by=editor)
    assert left(variant) == 4


@pytest.mark.parametrize("delta", [0, stock.MAX_PIECES + 1])
def test_movement_that_cannot_be(in_acme: TenantRef, acme_people: People, delta: int) -> None:
    variant = stocked(by=acme_people["editor"])
    with pytest.raises(StockInvalid) as refused:
        stock.move_stock(
            variant=variant, delta=delta, reason=MovementReason.SOLD, by=acme_people["editor"]
        )
    assert refused.value.field == "delta"


def test_movement_of_a_variant_that_is_gone(in_acme: TenantRef, acme_people: People) -> None:
    variant = stocked(by=acme_people["editor"])
    ProductVariant.objects.filter(pk=variant.pk).delete()
    with pytest.raises(VariantGone, match="was deleted in the meantime"):
        take(variant, 1, acme_people["editor"])


@pytest.mark.parametrize("role", ["author", "member"])
def test_stock_is_moved_by_those_who_may(
    in_acme: TenantRef, acme_people: People, role: str
) -> None:
    variant = stocked(by=acme_people["editor"])
    with pytest.raises(NotAllowed, match="does not let you change products"):
        take(variant, 1, acme_people[role])


def test_moves_of_many_are_all_or_none(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    mug, jug = stocked(by=editor), stocked("Jug", pieces=1, by=editor)
    with pytest.raises(StockTooLow):
        stock.carry_out(
            moves=[stock.Move(mug, delta=-2), stock.Move(jug, delta=-2)],
            reason=MovementReason.SOLD,
            by=editor,
        )
    assert (left(mug), left(jug)) == (10, 1)


def test_moves_of_many_cost_the_same(
    in_acme: TenantRef, acme_people: People, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    variants = [stocked(f"Mug {n}", by=acme_people["editor"]) for n in range(4)]
    for rows in (1, 3):
        with django_assert_num_queries(5 + SAVEPOINT):
            stock.carry_out(
                moves=[stock.Move(variant, delta=1) for variant in variants[:rows]],
                reason=MovementReason.RECEIVED,
                by=None,
            )


# --- at once --------------------------------------------------------------------------------------


@pytest.fixture
def last_ten(committing_db: None, cast: dict[str, TenantRef]) -> Iterator[ProductVariant]:
    """A variant of acme with ten pieces, that other connections see."""
    with context.run_in(cast["acme"]):
        owner = User.objects.select_related("role").get(email="owner@acme.example")
        yield stocked(by=owner)
        Product.objects.all().delete()
        Entry.objects.all().delete()


def test_fifty_takings_of_the_last_ten_pieces(
    last_ten: ProductVariant, cast: dict[str, TenantRef]
) -> None:
    owner = User.objects.select_related("role").get(email="owner@acme.example")
    start = threading.Barrier(50)

    def take_one(_: int) -> bool:
        with context.run_in(cast["acme"]):
            start.wait(timeout=30)
            try:
                take(last_ten, 1, owner)
            except StockTooLow:
                return False
            finally:
                connections.close_all()
            return True

    with ThreadPoolExecutor(50) as people:
        took = list(people.map(take_one, range(50)))
    assert took.count(True) == 10
    assert left(last_ten) == 0
    sold = StockMovement.objects.filter(reason=MovementReason.SOLD).order_by("id")
    assert list(sold.values_list("quantity_after", flat=True)) == list(range(9, -1, -1))


def test_takings_by_the_api_at_once(last_ten: ProductVariant, cast: dict[str, TenantRef]) -> None:
    acme = cast["acme"]
    owner = User.objects.get(email="owner@acme.example")
    clients = [Client(headers={"host": acme.hostname}) for _ in range(12)]
    for client in clients:
        client.force_login(owner, "tenant_apps.users.backends.EmailBackend")

    def take_three(client: Client) -> int:
        try:
            answer = move(client, last_ten, delta=-3, reason="sold")
        finally:
            connections.close_all()
        return answer.status_code

    with ThreadPoolExecutor(12) as people:
        statuses = list(people.map(take_three, clients))
    assert (statuses.count(201), statuses.count(400)) == (3, 9)
    assert left(last_ten) == 1


# --- alerts ---------------------------------------------------------------------------------------


def test_alert_comes_once_each_time_stock_falls_low(
    in_acme: TenantRef, acme_people: People, tasks_at_once: None,
    django_capture_on_commit_callbacks: object,
) -> None:  # fmt: skip
    editor = acme_people["editor"]
    stock_alerts.watch_stock(by=editor)
    variant = stocked(pieces=5, by=editor, low_stock_at=3)
    for pieces, letters in ((1, 0), (1, 1), (1, 1)):
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
            take(variant, pieces, editor)
        assert len(mail.outbox) == letters
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        stock.count_stock(variant=variant, quantity=9, by=editor)
        take(variant, 7, editor)
    assert len(mail.outbox) == 2
    letter = mail.outbox[0]
    assert (letter.to, letter.subject) == (["editor@acme.example"], "Acme: Mug is low in stock")
    assert "Mug: 3 left, warned at 3" in str(letter.body)
    assert "/stock/" in str(letter.body)
    falls = Entry.objects.filter(verb="stock.fell_low").order_by("id")
    assert [entry.after["in stock"] for entry in falls] == [3, 2]
    assert (falls[0].actor_email, falls[0].object_label) == ("editor@acme.example", "Mug")
    ended = StockAlert.objects.order_by("id").values_list("ended_at", flat=True)
    assert [at is None for at in ended] == [False, True]


def test_letter_tells_of_all_that_fell_low_and_goes_to_those_who_want_it(
    in_acme: TenantRef, acme_people: People, tasks_at_once: None,
    django_capture_on_commit_callbacks: object,
) -> None:  # fmt: skip
    editor = acme_people["editor"]
    stock_alerts.watch_stock(by=editor)
    stock_alerts.watch_stock(by=acme_people["admin"])
    StockWatch.objects.create(person=acme_people["member"])  # whose role was changed since
    variants = [stocked(f"Mug {n}", pieces=5, by=editor, low_stock_at=1) for n in range(23)]
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        stock.carry_out(
            moves=[stock.Move(variant, quantity=0) for variant in variants],
            reason=MovementReason.COUNTED,
            by=editor,
        )
    assert {address for letter in mail.outbox for address in letter.to} == {
        "admin@acme.example",
        "editor@acme.example",
    }
    assert len(mail.outbox) == 2
    assert mail.outbox[0].subject == "Acme: 23 variants are low in stock"
    assert "… and 3 more." in str(mail.outbox[0].body)
    assert stock_alerts.mail_alerts() == 0


def test_alert_follows_the_number_that_the_variant_warns_at(
    in_acme: TenantRef, acme_people: People
) -> None:
    editor = acme_people["editor"]
    variant = stocked(pieces=5, by=editor)
    for warns_at, opened in ((5, 1), (4, 0), (None, 0), (9, 1)):
        variant.low_stock_at = warns_at
        catalogue.change_parts(product=variant.product, kept=[variant], by=editor)
        assert StockAlert.objects.filter(ended_at=None).count() == opened


def test_nobody_is_told_of_what_is_not_counted(in_acme: TenantRef, acme_people: People) -> None:
    editor = acme_people["editor"]
    variant = stocked(pieces=5, by=editor, low_stock_at=3)
    ProductVariant.objects.update(tracks_stock=False)
    take(variant, 4, editor)
    assert not StockAlert.objects.exists()


# --- doors ----------------------------------------------------------------------------------------


def move(client: Client, variant: ProductVariant, **told: object) -> object:
    path = f"/api/v1/products/{variant.product_id}/variants/{variant.pk}/movements/"
    return client.post(path, told, content_type="application/json")


def test_api_moves_and_tells_what_moved(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        variant = stocked(by=acme_people["editor"])
    client = as_role("editor")
    answer = move(client, variant, delta=-4, reason="sold", note="Order 12")
    assert answer.status_code == 201
    assert answer.json()["quantity_after"] == 6
    assert answer.json()["by"]["full_name"] == "Editor of Acme"
    assert move(client, variant, quantity=6).status_code == 204
    assert move(client, variant, quantity=2).json()["reason"] == "counted"
    path = f"/api/v1/products/{variant.product_id}/variants/{variant.pk}/movements/"
    told = client.get(path, {"page_size": 2}).json()
    assert [one["delta"] for one in told["results"]] == [-4, -4]
    assert told["next"] is not None


@pytest.mark.parametrize(
    ("told", "field", "sentence"),
    [
        ({"delta": -11, "reason": "sold"}, "delta", "Only 10 pieces are in stock, so 11 cannot"),
        ({"quantity": -1}, "quantity", "Stock cannot be negative. Write 0 or more."),
        ({"delta": 0, "reason": "sold"}, "delta", "moves nothing"),
        ({"delta": "many", "reason": "sold"}, "delta", "A valid integer is required."),
        ({"delta": 10**12, "reason": "sold"}, "delta", "less than or equal to"),
        ({"delta": 1}, "reason", "Say why the stock changes."),
        ({"delta": 1, "reason": "imported"}, "reason", "is not a valid choice"),
        ({"delta": 1, "quantity": 1, "reason": "sold"}, "delta", "Write either"),
        ({}, "delta", "Write either"),
        ({"delta": 1, "reason": "sold", "note": "x" * 201}, "note", "no more than 200"),
    ],
)
def test_api_refuses_at_the_field(
    acme: TenantRef, acme_people: People, as_role: LoggedIn,
    told: dict[str, object], field: str, sentence: str,
) -> None:  # fmt: skip
    with context.run_in(acme):
        variant = stocked(by=acme_people["editor"])
    answer = move(as_role("editor"), variant, **told)
    assert answer.status_code == 400
    assert sentence in sentences(answer)[field][0]
    with context.run_in(acme):
        assert left(variant) == 10


@pytest.mark.parametrize(("role", "status"), [("visitor", 401), ("member", 403), ("owner", 201)])
def test_api_and_page_by_role(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str, status: int
) -> None:
    with context.run_in(acme):
        variant = stocked(by=acme_people["editor"])
    client = as_role(role)
    assert move(client, variant, delta=-1, reason="sold").status_code == status
    path = f"/api/v1/products/{variant.product_id}/variants/{variant.pk}/movements/"
    assert client.get(path).status_code == (200 if status == 201 else status)
    page = client.get("/stock/").status_code
    assert page == {"visitor": 302, "member": 403, "owner": 200}[role]


def test_variant_of_another_product_is_not_found(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        mug, jug = (stocked(title, by=acme_people["editor"]) for title in ("Mug", "Jug"))
    path = f"/api/v1/products/{mug.product_id}/variants/{jug.pk}/movements/"
    assert as_role("editor").get(path).status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_of_the_stock_page(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    with context.run_in(acme):
        for number in range(rows):
            stocked(f"Mug {number}", pieces=1, by=acme_people["editor"], low_stock_at=3)
            take(ProductVariant.objects.latest("id"), 1, acme_people["editor"])
    client = as_role("editor")
    client.get("/stock/")
    with django_assert_num_queries(5 + SAVEPOINT):
        page = client.get("/stock/").content.decode()
    assert page.count("<tr>") == rows + 1


def test_letters_are_asked_for_and_ended_on_the_page(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("editor")
    for watch, wants in (("yes", True), ("yes", True), ("no", False)):
        page = client.post("/stock/watch/", {"watch": watch}, follow=True).content.decode()
        assert ("Stop the letters" in page) is wants
        with context.run_in(acme):
            assert StockWatch.objects.filter(person=acme_people["editor"]).exists() is wants
    assert as_role("member").post("/stock/watch/", {"watch": "yes"}).status_code == 403


def test_admin_moves_stock_and_shows_its_history(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        variant = stocked(by=acme_people["editor"])
    path = f"/admin/products/product/{variant.product_id}/stock/"
    client = as_role("editor")
    told = {"variant": str(variant.pk), "pieces": "-2", "reason": "sold", "note": "Market day"}
    page = client.post(path, told, follow=True).content.decode()
    assert "The stock is noted." in page
    assert "Market day" in page
    refused = client.post(path, told | {"pieces": "-20"})
    assert refused.status_code == 422
    assert "Only 8 pieces are in stock" in refused.content.decode()
    counted = client.post(path, told | {"reason": "counted", "pieces": "3"}, follow=True)
    assert "3 in stock" in counted.content.decode()
    assert as_role("member").get(path).status_code == 302
    with context.run_in(acme):
        assert left(variant) == 3


def test_page_of_the_admin_that_was_open_during_a_sale_gives_nothing_back(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    from tests.tenant_apps.workspace.test_admin import saved, variant_rows

    with context.run_in(acme):
        variant = stocked(by=acme_people["editor"])
        page = variant_rows(variant.product, {"tracks_stock": "on"})
        take(variant, 3, acme_people["editor"])
    # The page says 10, as it did when it was loaded; what is typed is the price.
    page |= {"variants-0-price_minor": "99.00"}
    page |= {"variants-0-stock_quantity": "7"}
    saved(as_role("editor"), f"/admin/products/product/{variant.product_id}/change/", page)
    with context.run_in(acme):
        variant.refresh_from_db()
        assert (variant.price_minor, variant.stock_quantity) == (9900, 7)
