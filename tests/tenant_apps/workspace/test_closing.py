"""A site that its owner has closed, what robots are told, and the row that every request reads."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django import DjangoCaptureOnCommitCallbacks as OnCommit

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import subscribing
from tenant_apps.articles.models import Subscriber
from tenant_apps.users import api_tokens
from tenant_apps.users.errors import NotAllowed
from tenant_apps.workspace import closing, configuration
from tenant_apps.workspace.kept_row import known_workspace
from tenant_apps.workspace.models import Workspace
from tests.tenant_apps.conftest import LoggedIn, People, make_product

PAGES = ["/", "/articles/", "/products/", "/articles/feed.atom", "/sitemap.xml", "/subscription/"]


@pytest.fixture
def closed(
    acme: TenantRef, acme_people: People, django_capture_on_commit_callbacks: OnCommit
) -> None:
    """acme, closed for two hours."""
    with context.run_in(acme), django_capture_on_commit_callbacks(execute=True):
        closing.close_site(
            message="We paint <b>the walls</b>.",
            until=timezone.now() + timedelta(hours=2),
            by=acme_people["owner"],
        )


@pytest.mark.parametrize("path", PAGES)
def test_visitors_read_the_message_alone(closed: None, acme_client: Client, path: str) -> None:
    answer = acme_client.get(path)
    assert answer.status_code == 503
    assert 7190 <= int(answer["Retry-After"]) <= 7200
    assert answer["Cache-Control"] == "no-store"
    page = answer.content.decode()
    assert "We paint &lt;b&gt;the walls&lt;/b&gt;." in page
    assert "Log in" in page
    assert acme_client.post(path).status_code == 503


def test_programs_are_told_as_programs(closed: None, acme_client: Client) -> None:
    for path, headers in (
        ("/api/v1/articles/", {}),
        ("/articles/", {"accept": "application/json"}),
    ):
        answer = acme_client.get(path, headers=headers)
        assert answer.status_code == 503
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:terrace:problem:site-closed"
        assert int(answer["Retry-After"]) > 7000


@pytest.mark.parametrize(
    ("role", "status"),
    [("member", 503), ("author", 200), ("editor", 200), ("admin", 200), ("owner", 200)],
)
def test_who_comes_in(closed: None, as_role: LoggedIn, role: str, status: int) -> None:
    client = as_role(role)
    for path in ("/", "/articles/", "/api/v1/articles/"):
        assert client.get(path).status_code == status, path
    # Everybody reaches the account, and whoever is let in by it.
    assert client.get("/account/").status_code == 200


def test_doors_stay_open(closed: None, acme_client: Client) -> None:
    assert acme_client.get("/account/login/").status_code == 200
    answer = acme_client.post(
        "/api/v1/auth/log-in/", {"email": "x", "password": "y"}, content_type="application/json"
    )
    assert answer.status_code in {400, 401}


def test_way_out_of_letters_stays_open(closed: None, acme: TenantRef, acme_client: Client) -> None:
    with context.run_in(acme):
        subscriber = Subscriber.objects.create(email="a@example.net", sender="x")
        token = subscribing.leave_token(subscriber)
    assert acme_client.post(f"/subscription/{token}/leave/").status_code == 200
    with context.run_in(acme):
        assert not Subscriber.objects.exists()
    assert acme_client.get("/dashboard/report/nobodys/leave/").status_code != 503


@pytest.mark.parametrize(("role", "status"), [("author", 200), ("member", 503)])
def test_token_of_the_staff_comes_in(
    closed: None, acme: TenantRef, acme_people: People, acme_client: Client, role: str, status: int
) -> None:
    with context.run_in(acme):
        _, text = api_tokens.issue_token(
            person=acme_people[role],
            name="x",
            scopes=["articles:read"],
            lifetime=timedelta(days=1),
        )
    answer = acme_client.get("/api/v1/articles/", headers={"authorization": f"Bearer {text}"})
    assert answer.status_code == status
    wrong = acme_client.get("/api/v1/articles/", headers={"authorization": "Bearer wrong"})
    assert wrong.status_code == 503


def test_closing_is_seen_without_a_query(
    closed: None, acme_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    acme_client.get("/articles/")
    with django_assert_num_queries(0):
        assert acme_client.get("/articles/").status_code == 503


def test_site_is_opened_again(
    closed: None,
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    assert acme_client.get("/").status_code == 503
    with context.run_in(acme), django_capture_on_commit_callbacks(execute=True):
        closing.open_site(by=acme_people["owner"])
        closing.open_site(by=acme_people["owner"])
    assert acme_client.get("/").status_code == 200
    with context.run_in(acme):
        verbs = list(Entry.objects.filter(verb__startswith="site.").values_list("verb", flat=True))
    assert sorted(verbs) == ["site.closed", "site.opened"]


def test_message_is_changed_and_since_when_stays(in_acme: TenantRef, acme_people: People) -> None:
    first = closing.close_site(message="a", until=None, by=acme_people["owner"])
    second = closing.close_site(message="b", until=None, by=acme_people["owner"])
    assert (second.closed_at, second.closed_message) == (first.closed_at, "b")
    assert closing.retry_after(second) == timedelta(hours=1)


@pytest.mark.parametrize("role", ["admin", "editor", "author", "member"])
def test_who_may_not_close(in_acme: TenantRef, acme_people: People, role: str) -> None:
    with pytest.raises(NotAllowed, match="close the site"):
        closing.close_site(message="", until=None, by=acme_people[role])
    with pytest.raises(NotAllowed, match="close the site"):
        closing.open_site(by=acme_people[role])


def test_what_a_closing_may_not_be(in_acme: TenantRef, acme_people: People) -> None:
    owner, past = acme_people["owner"], timezone.now() - timedelta(minutes=1)
    with pytest.raises(ValidationError) as error:
        closing.close_site(message="", until=past, by=owner)
    assert "This time is past" in error.value.message_dict["until"][0]
    with pytest.raises(ValidationError) as error:
        closing.close_site(message="x" * 1001, until=None, by=owner)
    assert "1000 characters" in error.value.message_dict["message"][0]
    assert Workspace.objects.get().closed_at is None


def test_page_closes_and_opens(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    owner = as_role("owner")
    assert owner.post("/account/workspace/closing/", {"message": "Soon"}).status_code == 302
    with context.run_in(acme):
        assert Workspace.objects.get().closed_message == "Soon"
        cache.clear()  # the test's transaction is never committed
    assert "The site is closed for visitors." in owner.get("/account/workspace/").content.decode()
    assert owner.post("/account/workspace/closing/", {"open": ""}).status_code == 302
    with context.run_in(acme):
        assert Workspace.objects.get().closed_at is None
    past = owner.post("/account/workspace/closing/", {"message": "", "until": "2020-01-01T10:00"})
    assert past.status_code == 400
    assert "This time is past" in past.content.decode()


# --- Robots and the sitemap -------------------------------------------------------------------------


def test_robots_may_read_an_open_site(acme_client: Client) -> None:
    answer = acme_client.get("/robots.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    text = answer.content.decode()
    assert "Disallow: /admin/\n" in text
    assert "Disallow: /\n" not in text
    assert "Sitemap: http://acme.localhost:8000/sitemap.xml\n" in text


def test_robots_read_nothing_of_a_closed_site(closed: None, acme_client: Client) -> None:
    answer = acme_client.get("/robots.txt")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert answer.content.decode() == "User-agent: *\nDisallow: /\n"


@pytest.mark.parametrize("rows", [1, 3])
def test_sitemap_lists_products_too(
    acme: TenantRef,
    acme_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    with context.run_in(acme):
        for number in range(rows):
            make_product(f"Mug {number}")
        make_product("Draft", published=False)
    acme_client.get("/robots.txt")
    with django_assert_num_queries(2 + 2):
        index = acme_client.get("/sitemap.xml").content.decode()
    assert "<loc>http://acme.localhost:8000/sitemap-articles.xml?page=1</loc>" in index
    assert "<loc>http://acme.localhost:8000/sitemap-products.xml?page=1</loc>" in index
    with django_assert_num_queries(2 + 2):
        found = acme_client.get("/sitemap-products.xml?page=1").content.decode()
    assert found.count("<loc>http://acme.localhost:8000/products/mug-") == rows
    assert "draft" not in found


def test_sitemap_in_pages(acme: TenantRef, acme_client: Client, monkeypatch: Any) -> None:
    from tenant_apps.workspace import sitemaps

    monkeypatch.setattr(sitemaps, "ITEMS", 2)
    with context.run_in(acme):
        for number in range(3):
            make_product(f"Mug {number}")
    index = acme_client.get("/sitemap.xml").content.decode()
    assert index.count("sitemap-products.xml?page=") == 2
    assert acme_client.get("/sitemap-products.xml?page=2").content.decode().count("<loc>") == 1
    for page in ("3", "0", "x", "99999", "٣"):
        assert acme_client.get("/sitemap-products.xml", {"page": page}).status_code == 404, page


# --- The row in the cache ---------------------------------------------------------------------------


def test_row_is_read_once_and_again_after_a_change(
    in_acme: TenantRef,
    acme_people: People,
    django_assert_num_queries: DjangoAssertNumQueries,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    with django_assert_num_queries(1):
        assert [known_workspace().tagline for _ in range(3)] == ["", "", ""]
    with django_capture_on_commit_callbacks(execute=True):
        configuration.change_settings(changes={"tagline": "Pots"}, by=acme_people["owner"])
    assert known_workspace().tagline == "Pots"


def test_row_that_was_read_before_a_change_is_kept_for_nobody(
    in_acme: TenantRef,
    acme_people: People,
    monkeypatch: Any,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    """The reader has the old row in hand; the change is committed; the reader keeps the old row."""
    read, changes = Workspace.objects.get, iter(["once"])

    def overtaken() -> Workspace:
        row = read()
        if next(changes, None):
            monkeypatch.undo()
            with django_capture_on_commit_callbacks(execute=True):
                configuration.change_settings(changes={"tagline": "New"}, by=acme_people["owner"])
        return row

    monkeypatch.setattr(Workspace.objects, "get", overtaken)
    assert known_workspace().tagline == ""
    assert known_workspace().tagline == "New"


def test_row_without_redis_comes_from_the_database(
    in_acme: TenantRef, settings: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Nobody listens there.
    broken = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": broken}
    with django_assert_num_queries(2):
        assert known_workspace().name == "Acme"
        assert known_workspace().name == "Acme"


def test_row_of_the_neighbour_is_another_one(acme: TenantRef, globex: TenantRef) -> None:
    with context.run_in(acme):
        assert known_workspace().name == "Acme"
    with context.run_in(globex):
        assert known_workspace().name == "Globex"
