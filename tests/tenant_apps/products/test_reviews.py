import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products import reviews
from tenant_apps.products.errors import ReviewInvalid, WrongState
from tenant_apps.products.models import Product, Review, ReviewState
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import Role, User
from tests.tenant_apps.conftest import LoggedIn, People, make_product
from tests.tenant_apps.problems import sentences

# The request's own transaction is a savepoint inside the test's.
SAVEPOINT = 2


def rated() -> tuple[int, float | None]:
    product = Product.objects.get()
    return product.review_count, product.rating


def test_rating_counts_what_is_shown(in_acme: TenantRef, acme_people: People) -> None:
    editor, product = acme_people["editor"], make_product()
    first = reviews.write_review(product=product, stars=5, text="Fine", by=acme_people["member"])
    second = reviews.write_review(product=product, stars=2, text="", by=acme_people["author"])
    assert rated() == (0, None)
    reviews.approve_review(review=first, by=editor)
    assert rated() == (1, 5.0)
    reviews.approve_review(review=second, by=editor)
    assert rated() == (2, 3.5)
    with pytest.raises(WrongState, match="shown already"):
        reviews.approve_review(review=second, by=editor)
    reviews.refuse_review(review=second, by=editor)
    assert rated() == (1, 5.0)
    reviews.delete_review(review=second, by=editor)
    assert rated() == (1, 5.0)
    reviews.delete_review(review=first, by=acme_people["member"])
    assert rated() == (0, None)
    verbs = Entry.objects.filter(verb__startswith="review.").values_list("verb", flat=True)
    assert sorted(verbs) == [
        *("review.approved", "review.approved", "review.deleted", "review.deleted"),
        "review.refused",
    ]


def test_one_review_each_that_waits_anew_when_it_is_changed(
    in_acme: TenantRef, acme_people: People
) -> None:
    member, product = acme_people["member"], make_product()
    review = reviews.write_review(product=product, stars=5, text="Fine", by=member)
    reviews.approve_review(review=review, by=acme_people["editor"])
    same = reviews.write_review(product=product, stars=5, text=" Fine ", by=member)
    assert (same.state, rated()) == (ReviewState.APPROVED, (1, 5.0))
    changed = reviews.write_review(product=product, stars=1, text="It broke", by=member)
    assert (changed.pk, changed.state, changed.decided_by) == (
        review.pk,
        ReviewState.WAITING,
        None,
    )
    assert rated() == (0, None)
    assert Review.objects.count() == 1


@pytest.mark.parametrize(
    ("stars", "text", "field"), [(0, "", "stars"), (6, "", "stars"), (3, "x" * 5_001, "text")]
)
def test_review_that_cannot_be(
    in_acme: TenantRef, acme_people: People, stars: int, text: str, field: str
) -> None:
    with pytest.raises(ReviewInvalid) as refused:
        reviews.write_review(
            product=make_product(), stars=stars, text=text, by=acme_people["member"]
        )
    assert refused.value.field == field


def test_who_may(in_acme: TenantRef, acme_people: People) -> None:
    product, member = make_product(), acme_people["member"]
    review = reviews.write_review(product=product, stars=5, text="", by=member)
    for call in (
        lambda: reviews.approve_review(review=review, by=member),
        lambda: reviews.refuse_review(review=review, by=acme_people["author"]),
        lambda: reviews.delete_review(review=review, by=acme_people["author"]),
    ):
        with pytest.raises(NotAllowed, match="does not let you moderate reviews"):
            call()
    member.is_active = False
    with pytest.raises(NotAllowed, match="Log in as a member"):
        reviews.write_review(product=product, stars=1, text="", by=member)
    draft = make_product("Draft", published=False)
    with pytest.raises(WrongState, match="is not on sale"):
        reviews.write_review(product=draft, stars=1, text="", by=acme_people["editor"])


# --- at once --------------------------------------------------------------------------------------


@pytest.fixture
def reviewed(committing_db: None, cast: dict[str, TenantRef]) -> Iterator[list[Review]]:
    """Twelve people of acme who have reviewed one product, seen by other connections."""
    with context.run_in(cast["acme"]):
        product, member = make_product(), Role.objects.get(slug="member")
        people = [
            User.objects.create(email=f"{n}@acme.example", full_name=f"P {n}", role=member)
            for n in range(12)
        ]
        yield [
            reviews.write_review(product=product, stars=1 + n % 5, text="", by=person)
            for n, person in enumerate(people)
        ]
        Product.objects.all().delete()
        User.objects.filter(role=member).delete()
        Entry.objects.all().delete()


def test_reviews_that_are_approved_at_once_are_all_counted(
    reviewed: list[Review], cast: dict[str, TenantRef]
) -> None:
    owner = User.objects.select_related("role").get(email="owner@acme.example")
    start = threading.Barrier(12)

    def approve(review: Review) -> None:
        with context.run_in(cast["acme"]):
            start.wait(timeout=30)
            try:
                reviews.approve_review(review=review, by=owner)
            finally:
                connections.close_all()

    with ThreadPoolExecutor(12) as people:
        list(people.map(approve, reviewed))
    product = Product.objects.get()
    assert (product.review_count, product.review_stars) == (12, sum(r.stars for r in reviewed))


def test_one_person_who_sends_twice_at_once_has_one_review(
    reviewed: list[Review], cast: dict[str, TenantRef]
) -> None:
    owner = User.objects.select_related("role").get(email="owner@acme.example")
    start = threading.Barrier(6)

    def write(stars: int) -> None:
        with context.run_in(cast["acme"]):
            start.wait(timeout=30)
            try:
                reviews.write_review(
                    product=reviewed[0].product, stars=1 + stars % 5, text="", by=owner
                )
            finally:
                connections.close_all()

    with ThreadPoolExecutor(6) as people:
        list(people.map(write, range(6)))
    assert Review.objects.filter(author=owner).count() == 1


# --- doors ----------------------------------------------------------------------------------------


def approved(people: People, stars: int = 4, text: str = "Holds tea.") -> Review:
    """A review that is shown, of the first product."""
    review = reviews.write_review(
        product=Product.objects.earliest("id"), stars=stars, text=text, by=people["member"]
    )
    return reviews.approve_review(review=review, by=people["owner"])


def test_member_writes_changes_and_deletes_on_the_page(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        make_product()
    client = as_role("member")
    assert "Write a review" in client.get("/products/mug/").content.decode()
    told = {"stars": "4", "text": "<script>x</script> Holds tea."}
    page = client.post("/products/mug/reviews/", told, follow=True).content.decode()
    assert "Your review is shown once somebody has read it." in page
    assert "It waits to be read" in page
    with context.run_in(acme):
        review = Review.objects.get()
        reviews.approve_review(review=review, by=acme_people["editor"])
    for path in ("/products/mug/", "/products/mug/reviews/"):
        page = as_role("visitor").get(path).content.decode()
        assert "&lt;script&gt;x&lt;/script&gt; Holds tea." in page
        assert "4 of 5 stars" in page
    assert "4.0" in as_role("visitor").get("/products/").content.decode()
    client.post("/products/mug/reviews/delete/")
    with context.run_in(acme):
        assert not Review.objects.exists()
        assert rated() == (0, None)


@pytest.mark.parametrize(
    "told", [{"stars": "6"}, {"stars": ""}, {"stars": "4", "text": "x" * 5001}]
)
def test_bad_review_is_refused_on_the_page(
    acme: TenantRef, as_role: LoggedIn, told: dict[str, str]
) -> None:
    with context.run_in(acme):
        make_product()
    answer = as_role("member").post("/products/mug/reviews/", told)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Give 1 to 5 stars." in page or "at most 5000 characters" in page
    with context.run_in(acme):
        assert not Review.objects.exists()


def test_visitor_logs_in_first(acme: TenantRef, acme_client: Client) -> None:
    with context.run_in(acme):
        make_product()
    assert "Write a review" not in acme_client.get("/products/mug/").content.decode()
    answer = acme_client.post("/products/mug/reviews/", {"stars": "4"})
    assert (answer.status_code, "/account/login/" in answer["Location"]) == (302, True)


def test_reviews_by_the_api(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        mug = make_product()
    member, editor, visitor = as_role("member"), as_role("editor"), as_role("visitor")
    path = f"/api/v1/products/{mug.pk}/reviews/"
    json = {"content_type": "application/json"}
    assert visitor.post(path, {"stars": 5}, **json).status_code == 401
    refused = member.post(path, {"stars": 6}, **json)
    assert (refused.status_code, sentences(refused)) == (400, {"stars": ["Give 1 to 5 stars."]})
    made = member.post(path, {"stars": 5, "text": "Fine"}, **json)
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    one = f"/api/v1/reviews/{made.json()['id']}/"
    assert visitor.get(path).json()["results"] == []
    assert [client.get(one).status_code for client in (visitor, member, editor)] == [404, 200, 200]
    assert as_role("author").get(one).status_code == 404
    assert member.post(f"{one}approve/").status_code == 403
    waiting = editor.get("/api/v1/reviews/?state=waiting").json()["results"]
    assert [review["id"] for review in waiting] == [made.json()["id"]]
    assert editor.post(f"{one}approve/").json()["state"] == "approved"
    assert editor.post(f"{one}approve/").status_code == 409
    assert visitor.get(path).json()["results"][0]["text"] == "Fine"
    assert visitor.get(f"/api/v1/products/{mug.pk}/").json()["rating"] == 5.0
    assert editor.post(f"{one}refuse/").status_code == 200
    assert member.delete(one).status_code == 204


def test_queue_in_the_admin(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        review = reviews.write_review(
            product=make_product(), stars=3, text="So so", by=acme_people["member"]
        )
    client = as_role("editor")
    assert "So so" in client.get("/admin/products/review/").content.decode()
    for action, state in (("approve", "approved"), ("refuse", "refused")):
        told = {"action": action, "_selected_action": [str(review.pk)]}
        client.post("/admin/products/review/", told)
        with context.run_in(acme):
            review.refresh_from_db()
            assert review.state == state
    assert as_role("author").get("/admin/products/review/").status_code == 403


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("path", "queries"),
    [("/products/mug/", 5), ("/products/mug/reviews/", 6), ("/api/v1/products/{pk}/reviews/", 2)],
)
def test_queries_do_not_grow_with_the_reviews(
    acme: TenantRef, acme_people: People, acme_client: Client, path: str, queries: int, rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    with context.run_in(acme):
        product = make_product()
        for role in ("member", "author", "editor")[:rows]:
            review = reviews.write_review(product=product, stars=4, text="x", by=acme_people[role])
            reviews.approve_review(review=review, by=acme_people["owner"])
    path = path.format(pk=product.pk)
    acme_client.get(path)
    with django_assert_num_queries(queries + SAVEPOINT):
        assert acme_client.get(path).status_code == 200
