import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles.models import Article, Category
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
        ("/", 3),
        ("/articles/", 4),
        ("/articles/category/workshop/", 6),
        ("/articles/article-0/", 4),
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
    with django_assert_num_queries(5 + SAVEPOINT):
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


def test_conflict_keeps_what_was_typed(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], "One")
        Article.objects.update(version=7, body="Somebody's words")
    answer = as_role("author").post(
        f"/desk/{article.pk}/", {"title": "One", "body": "My words", "version": 6}
    )
    page = answer.content.decode()
    assert "Somebody else has saved this article" in page
    assert "My words" in page
    with context.run_in(acme):
        assert Article.objects.get().body == "Somebody's words"


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
