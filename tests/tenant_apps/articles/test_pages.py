import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Article, Category
from tenant_apps.articles.selectors import MAX_TABS
from tenant_apps.users import membership, roles
from tests.conftest import ClientMaker
from tests.tenant_apps.conftest import LoggedIn, People, make_article

# The request's own transaction is a savepoint inside the test's: two statements that a real one
# does not send.
SAVEPOINT = 2


def make_many(acme: TenantRef, people: People, count: int, *, published: bool = True) -> None:
    with context.run_in(acme):
        category = Category.objects.create(name="Workshop", slug="workshop")
        for number in range(count):
            article = make_article(people["author"], f"Article {number}", published=published)
            article.category = category
            article.save(update_fields=["category"])


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/", 2),
        ("/articles/", 3),
        ("/articles/category/workshop/", 5),
        ("/articles/article-0/", 7),
        ("/api/v1/articles/", 2),
    ],
)
def test_queries_do_not_grow_with_the_rows(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
    queries: int,
    rows: int,
) -> None:
    make_many(acme, acme_people, rows)
    acme_client.get(path)
    with django_assert_num_queries(queries + SAVEPOINT):
        response = acme_client.get(path)
    assert response.status_code == 200
    assert b"Article 0" in response.content


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_of_the_desk(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    make_many(acme, acme_people, rows, published=False)
    client = as_role("author")
    client.get("/desk/")
    with django_assert_num_queries(4 + SAVEPOINT):
        assert client.get("/desk/").status_code == 200


def test_list_is_in_pages(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    make_many(acme, acme_people, 14)
    first = acme_client.get("/articles/").content.decode()
    second = acme_client.get("/articles/?page=2").content.decode()
    assert first.count("<article") == 12
    assert second.count("<article") == 2
    assert acme_client.get("/articles/?page=nonsense").status_code == 200


def test_draft_is_on_no_page_of_a_visitor(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    make_many(acme, acme_people, 1, published=False)
    for path in ("/", "/articles/", "/articles/category/workshop/", "/api/v1/articles/"):
        assert "Article 0" not in acme_client.get(path).content.decode()


def test_writing_from_the_first_word_to_the_published_page(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("author")
    answer = client.post(
        "/desk/new/",
        {"title": "On clay", "body": "**Soft**", "tags": "Clay, Devon", "intent": "save"},
    )
    with context.run_in(acme):
        article = Article.objects.get(title="On clay")
        assert {tag.name for tag in article.tags.all()} == {"Clay", "Devon"}
    assert answer.headers["Location"] == f"/desk/{article.pk}/"
    page = client.get(f"/desk/{article.pk}/").content.decode()
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version is not None
    answer = client.post(
        f"/desk/{article.pk}/",
        {
            "title": "On clay",
            "body": "**Hard** by now",
            "tags": "Clay",
            "slug": "about-clay",
            "version": version[1],
            "intent": "publish",
        },
        follow=True,
    )
    assert answer.redirect_chain[-1][0] == "/articles/about-clay/"
    assert "<strong>Hard</strong> by now" in answer.content.decode()


WITHOUT_PUBLISHING = ["articles.add_article", "articles.change_own_article"]


@pytest.fixture
def apprentice(acme: TenantRef, acme_people: People, client_of: ClientMaker) -> Client:
    """Somebody who writes and does not publish, logged in."""
    client = client_of(acme)
    with context.run_in(acme):
        role = roles.make_role(
            name="Apprentice", permissions=WITHOUT_PUBLISHING, by=acme_people["owner"]
        )
        person = membership.add_person(
            email="apprentice@acme.example",
            full_name="Ann Apprentice",
            role=role,
            password=None,
            email_confirmed=True,
        )
        client.force_login(person, "tenant_apps.users.backends.EmailBackend")
    return client


def test_publishing_is_offered_to_those_who_may(as_role: LoggedIn, apprentice: Client) -> None:
    offered = as_role("author").get("/desk/new/").content.decode()
    assert 'value="publish"' in offered
    assert 'value="submit"' not in offered
    offered = apprentice.get("/desk/new/").content.decode()
    assert 'value="publish"' not in offered
    assert 'value="submit"' in offered


def test_text_is_kept_where_its_writer_may_not_publish(acme: TenantRef, apprentice: Client) -> None:
    new = {"title": "On clay", "body": "My words", "tags": "", "intent": "publish"}
    answer = apprentice.post("/desk/new/", new, follow=True)
    assert answer.status_code == 200
    assert "Saved, and no more than that. Your role does not let you" in answer.content.decode()
    with context.run_in(acme):
        article = Article.objects.get()
        assert (article.body, article.state) == ("My words", "draft")
    assert apprentice.post(f"/desk/{article.pk}/publish/").status_code == 403


@pytest.mark.parametrize("pk", ["-" * 36, "0" * 36, "0190-" * 7 + "0", "x"])
def test_step_of_what_is_no_article(as_role: LoggedIn, pk: str) -> None:
    assert as_role("author").post(f"/desk/{pk}/publish/").status_code == 404


def test_tabs_are_the_fullest_categories_and_the_chosen_one(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        for number in range(MAX_TABS + 2):
            category = Category.objects.create(name=f"C{number:02}", slug=f"c{number:02}")
            for _ in range(1 if number < 2 else 2):
                article = make_article(acme_people["author"], f"In {category}")
                article.category = category
                article.save(update_fields=["category"])
    page = acme_client.get("/articles/").content.decode()
    assert page.count("tabs__count") == MAX_TABS
    assert "C00 <" not in page
    assert "/articles/category/c02/" in page
    assert 'href="/articles/category/"' in page
    chosen = acme_client.get("/articles/category/c01/").content.decode()
    assert chosen.count("tabs__count") == MAX_TABS + 1
    assert "C01 <" in chosen
    every = acme_client.get("/articles/category/").content.decode()
    assert all(f"/articles/category/c{number:02}/" in every for number in range(MAX_TABS + 2))


def test_no_article_stands_at_the_address_of_a_page(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], "Category")
        assert article.slug == "category-2"
    answer = as_role("author").post(
        f"/desk/{article.pk}/", {"title": "x", "body": "y", "slug": "category", "version": 1}
    )
    assert "is the address of another page" in answer.content.decode()


def test_slug_that_is_taken_is_said_at_the_field(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        make_article(acme_people["author"], "One")
        two = make_article(acme_people["author"], "Two")
    answer = as_role("author").post(
        f"/desk/{two.pk}/", {"title": "Two", "body": "My words", "slug": "one", "version": 1}
    )
    page = answer.content.decode()
    assert "Another article has" in page
    assert "My words" in page, "nothing that was typed is lost"


def test_preview_shows_what_readers_will_see(as_role: LoggedIn) -> None:
    answer = as_role("author").post("/desk/preview/", {"body": "**x** <script>1</script>"})
    assert answer.content.decode().strip() == (
        "<p><strong>x</strong> &lt;script&gt;1&lt;/script&gt;</p>"
    )
    assert as_role("member").post("/desk/preview/", {"body": "x"}).status_code == 403


def test_schedule_is_read_in_the_workspaces_time_zone(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
    as_role("author").post(
        f"/desk/{article.pk}/schedule/",
        {"at": "2099-07-01T12:00", "time_zone": "Europe/Berlin"},
    )
    with context.run_in(acme):
        article.refresh_from_db()
        assert article.scheduled_for is not None
        assert article.scheduled_for.isoformat() == "2099-07-01T10:00:00+00:00"


@pytest.mark.parametrize(
    "data", [{}, {"at": "tomorrow"}, {"at": "2099-07-01T12:00", "time_zone": "Mars/Olympus"}]
)
def test_schedule_that_cannot_be_read(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, data: dict[str, str]
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
    answer = as_role("author").post(f"/desk/{article.pk}/schedule/", data, follow=True)
    assert answer.status_code == 200
    assert "Give the day and the time" in answer.content.decode()


def test_article_of_acme_is_not_at_globex(
    acme: TenantRef, acme_people: People, globex_client: Client
) -> None:
    make_many(acme, acme_people, 1)
    with context.run_in(acme):
        article = Article.objects.get()
    assert globex_client.get(f"/articles/{article.slug}/").status_code == 404
    assert globex_client.get(f"/api/v1/articles/{article.pk}/").status_code == 404
