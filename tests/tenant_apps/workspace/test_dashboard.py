"""The dashboard: who sees which figures, and what they are."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Comment, DailyViews
from tenant_apps.products.models import Product, Review
from tenant_apps.users.errors import NotAllowed
from tenant_apps.workspace import dashboard, first_steps, statistics
from tenant_apps.workspace.models import DayFigures, OwnChoices, Workspace
from tests.tenant_apps.conftest import LoggedIn, People, make_article, make_product

PATH = "/dashboard/"
EMPTY = {
    "published": 0, "comments": 0, "joined": 0, "subscribers_new": 0, "reviews": 0, "stars": 0,
    "came": 0, "went": 0,
}  # fmt: skip


def figures(person: Any, span: int = 7) -> dict[str, tuple[str, int | None]]:
    shown = dashboard.show_dashboard(person=person, span=span)
    return {figure.label: (figure.value, figure.change) for figure in shown.figures}


def keep_day(back: int, **values: Any) -> None:
    day = statistics.today_in(statistics.workspace_zone()) - timedelta(days=back)
    DayFigures.objects.create(day=day, **{**EMPTY, "views": 0, **values})


@pytest.mark.parametrize(
    ("role", "labels"),
    [
        ("owner", "views comments members subscribers reviews"),
        ("admin", "views comments members subscribers reviews"),
        ("editor", "views comments reviews"),
        ("author", "views comments"),
        ("member", None),
        ("visitor", None),
    ],
)
def test_each_role_sees_its_own_figures(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str, labels: str | None
) -> None:
    response = as_role(role).get(PATH)
    if labels is None:
        assert response.status_code == (302 if role == "visitor" else 403)
        return
    assert response.status_code == 200
    found = re.findall(r"<dt>(.*?)</dt>", response.content.decode())
    words = [word for word in labels.split() if not any(word in label for label in found)]
    assert words == []
    has_members = any("members" in label for label in found)
    assert has_members == ("members" in labels)
    assert any("reviews" in label for label in found) == ("reviews" in labels)


def test_span_is_set_against_the_one_before(in_acme: TenantRef, acme_people: People) -> None:
    views = {1: 30, 6: 20, 7: 25, 13: 15, 14: 1_000}
    for back in range(1, 15):
        keep_day(back, views=views.get(back, 0))
    assert figures(acme_people["owner"])["views of articles"] == ("50", 25)
    assert figures(acme_people["owner"], 30)["views of articles"] == ("1,090", None)


def test_change_is_not_told_where_a_day_before_is_not_known(
    in_acme: TenantRef, acme_people: People
) -> None:
    for back in (*range(1, 10), 11, 12, 13):
        keep_day(back, views=10)
    assert figures(acme_people["owner"])["views of articles"] == ("60", None)
    keep_day(10, views=10)
    assert figures(acme_people["owner"])["views of articles"] == ("60", -14)


def test_today_stands_beside_yesterday(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"])
    today = statistics.today_in(statistics.workspace_zone())
    DailyViews.objects.create(article=article, day=today, views=4)
    keep_day(1, views=9, value_minor=500, pieces=2, out_of_stock=1)
    shown = dashboard.show_dashboard(person=acme_people["owner"], span=1)
    views, stock = shown.figures[0], shown.figures[-1]
    assert (views.value, views.change, views.note) == ("4", None, "yesterday 9, 1 published")
    assert (stock.value, stock.note) == ("€5.00", "2 pieces, 1 sold out")
    assert [row.views for row in shown.best] == [4]
    # One day makes no line.
    assert [len(chart.rows) for chart in shown.charts] == [7, 7, 7]


def test_figures_say_what_belongs_to_them(in_acme: TenantRef, acme_people: People) -> None:
    keep_day(2, subscribers=12, subscribers_left=2, people=7)
    keep_day(1, subscribers=11, subscribers_left=1, people=8, reviews=2, stars=9)
    shown = dashboard.show_dashboard(person=acme_people["owner"], span=7).figures
    notes = {figure.label: figure.note for figure in shown}
    assert notes["new members"] == "8 in all"
    assert notes["new subscribers"] == "3 left, 11 in all"
    assert notes["reviews"] == "4.5 of 5 stars"


def test_reviews_that_wait_are_shown_to_those_who_decide(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        Review.objects.create(
            product=make_product(), author=acme_people["member"], stars=2, text="It leaks."
        )
    page = as_role("editor").get(PATH).content.decode()
    assert "2 of 5 stars: It leaks." in page
    assert "It leaks." not in as_role("author").get(PATH).content.decode()


def test_today_is_among_it_as_far_as_it_has_gone(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"])
    today = statistics.today_in(statistics.workspace_zone())
    DailyViews.objects.create(article=article, day=today, views=4)
    Comment.objects.create(article=article, name="x", body="y", sender="z")
    shown = figures(acme_people["owner"])
    assert shown["views of articles"][0] == "4"
    assert shown["comments"][0] == "1"


def test_best_articles_are_those_of_the_span_that_are_still_there(
    in_acme: TenantRef, acme_people: People
) -> None:
    one, two, gone = (make_article(acme_people["author"], f"No {n}") for n in range(3))
    keep_day(1, best=[[gone.pk.hex, 90], [one.pk.hex, 5]], views=95)
    keep_day(2, best=[[two.pk.hex, 8], [one.pk.hex, 7]], views=15)
    gone.delete()
    best = dashboard.show_dashboard(person=acme_people["owner"], span=7).best
    assert [(row.article.title, row.views, row.share) for row in best] == [
        ("No 0", 12, 100),
        ("No 1", 8, 67),
    ]


def test_stock_is_worth_what_it_was_last(in_acme: TenantRef, acme_people: People) -> None:
    keep_day(2, value_minor=1_000, pieces=1)
    keep_day(1, value_minor=123_456, pieces=10)
    assert figures(acme_people["owner"])["value of the stock"] == ("€1,234.56", None)


@pytest.mark.parametrize("asked", ["", "x", "365", "-1", "0", "30; DROP"])
def test_span_that_is_none_is_thirty_days(acme: TenantRef, as_role: LoggedIn, asked: str) -> None:
    response = as_role("owner").get(PATH, {"days": asked})
    assert "The last 30 days" in response.content.decode()


@pytest.mark.parametrize("rows", [1, 50])
def test_queries_do_not_grow_with_the_rows(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_assert_num_queries: Any,
    rows: int,
) -> None:
    with context.run_in(acme):
        for number in range(rows):
            article = make_article(acme_people["author"], f"No {number}")
            make_product(f"Mug {number}")
            Comment.objects.create(article=article, name="x", body="y", sender="z")
        keep_day(1, best=[[article.pk.hex, 1]], views=1)
    client = as_role("owner")
    client.get(PATH)
    with django_assert_num_queries(27):
        client.get(PATH)


def test_picture_is_told_in_words_too(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        keep_day(1, views=1_234)
    page = as_role("owner").get(PATH).content.decode()
    assert "Most on" in page
    assert "1,234</td>" in page
    assert "style=" not in page[page.index("<main") :]


def test_nobody_sees_the_neighbours_figures(
    acme: TenantRef, globex: TenantRef, as_role: LoggedIn
) -> None:
    with context.run_in(globex):
        keep_day(1, views=987_654)
    assert "987,654" not in as_role("owner").get(PATH).content.decode()


# --- First steps -------------------------------------------------------------------------------------


def test_steps_are_done_when_they_are_so(in_acme: TenantRef, acme_people: People) -> None:
    owner = acme_people["owner"]
    done = {step.title: step.is_done for step in first_steps.first_steps(owner)}
    assert done["Publish your first article"] is False
    assert done["Invite somebody"] is True
    make_article(acme_people["author"])
    make_product()
    Workspace.objects.update(tagline="Clay and fire")
    done = {step.title: step.is_done for step in first_steps.first_steps(owner)}
    assert done["Publish your first article"] is True
    assert done["Put something on sale"] is True
    assert done["Say what this place is"] is True
    assert done["Protect your log-in"] is False


def test_steps_are_gone_once_all_are_done_that_everybody_has(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        make_article(acme_people["author"])
        make_product(published=False)
        Workspace.objects.update(tagline="Clay and fire")
        Authenticator.objects.create(user=acme_people["owner"], type="totp", data={"secret": "x"})
    owner = as_role("owner")
    assert "First steps" in owner.get("/admin/").content.decode()
    with context.run_in(acme):
        Product.objects.update(state="published", published_at=timezone.now())
    assert "First steps" not in owner.get("/admin/").content.decode()
    assert "First steps" not in owner.get(PATH).content.decode()


def test_steps_are_for_whoever_sets_the_workspace_up(
    in_acme: TenantRef, acme_people: People
) -> None:
    assert first_steps.first_steps(acme_people["owner"])
    assert first_steps.first_steps(acme_people["author"]) == []


def test_steps_that_were_put_away_stay_away(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    owner = as_role("owner")
    assert "First steps" in owner.get(PATH).content.decode()
    assert owner.post("/dashboard/steps/close/").status_code == 302
    assert "First steps" not in owner.get(PATH).content.decode()
    assert "First steps" not in owner.get("/admin/").content.decode()
    with context.run_in(acme):
        assert OwnChoices.objects.get().steps_closed_at <= timezone.now()


@pytest.mark.parametrize(
    ("back_to", "page"),
    [("/admin/", "/admin/"), ("https://evil.example/", PATH), ("//evil.example", PATH)],
)
def test_putting_away_leads_back_to_the_page_it_was_on(
    acme: TenantRef, as_role: LoggedIn, back_to: str, page: str
) -> None:
    answer = as_role("owner").post("/dashboard/steps/close/", {"next": back_to})
    assert answer["Location"] == page


def test_scope_without_any_right_is_refused(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(NotAllowed, match="dashboard"):
        dashboard.require_dashboard(acme_people["member"])


# --- The admin's first page --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "labels"),
    [
        ("owner", "views comments members subscribers reviews"),
        ("editor", "views comments reviews"),
        ("author", "views comments"),
    ],
)
def test_first_page_of_the_admin_has_the_same_figures(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str, labels: str
) -> None:
    with context.run_in(acme):
        for back in range(14):
            keep_day(back, views=1_000 if back < 7 else 500)
    page = as_role(role).get("/admin/").content.decode()
    assert "7,000" in page
    assert "+100 % against the 7 before" in page
    found = re.findall(r"<dt>(.*?)</dt>", page)
    words = ("views", "comments", "members", "subscribers", "reviews")
    assert [word for word in words if any(word in label.lower() for label in found)] == (
        labels.split()
    )


@pytest.mark.parametrize("rows", [1, 50])
def test_first_page_of_the_admin_asks_as_often(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_assert_num_queries: Any,
    rows: int,
) -> None:
    with context.run_in(acme):
        for number in range(rows):
            make_article(acme_people["author"], f"No {number}")
            make_product(f"Mug {number}")
    client = as_role("owner")
    client.get("/admin/")
    with django_assert_num_queries(22):
        client.get("/admin/")
