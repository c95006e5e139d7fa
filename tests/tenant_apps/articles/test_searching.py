from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import permissions, publishing, searching, writing
from tenant_apps.articles.language import CONFIGURATIONS, configuration_of
from tenant_apps.articles.models import Article, SearchEntry, SearchWord
from tenant_apps.articles.tasks import refresh_search
from tenant_apps.users.models import User
from tenant_apps.workspace import configuration
from tenant_apps.workspace.models import Workspace
from tests.tenant_apps.articles.test_pages import SAVEPOINT
from tests.tenant_apps.conftest import LoggedIn, People, make_article


def publish(by: User, title: str, body: str = "x", **more: Any) -> Article:
    article = writing.create_article(title=title, body=body, by=by, **more)
    return publishing.publish_article(article=article, by=by)


def titles(query: str) -> list[str]:
    """What a visitor finds, the best first."""
    found = searching.search_articles(
        articles=permissions.readable_by(AnonymousUser()), query=query
    )
    return [hit.article.title for hit in searching.load_hits(found, found.keys)]


def test_title_counts_more_than_tags_and_tags_more_than_text(
    in_acme: TenantRef, acme_people: People
) -> None:
    author = acme_people["author"]
    publish(author, "Third", "About glazing in the text.")
    publish(author, "Second", "Nothing.", tags=["glazing"])
    publish(author, "Glazing", "Nothing.")
    publish(author, "None", "Nothing.")
    assert titles("glazing") == ["Glazing", "Second", "Third"]


def test_words_are_found_in_each_of_their_forms(in_acme: TenantRef, acme_people: People) -> None:
    publish(acme_people["author"], "Firing the kilns")
    assert titles("fired kiln") == ["Firing the kilns"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("red clay", {"Red clay", "Clay that is red"}),
        ('"red clay"', {"Red clay"}),
        ("clay -red", {"White clay"}),
        ("white or red", {"Red clay", "Clay that is red", "White clay"}),
    ],
)
def test_query_is_read_as_search_engines_do(
    in_acme: TenantRef, acme_people: People, query: str, found: set[str]
) -> None:
    for title in ("Red clay", "Clay that is red", "White clay"):
        publish(acme_people["author"], title)
    assert set(titles(query)) == found


@pytest.mark.parametrize("query", ["pottry", "potery", "pttery wheel", "POTERRY"])
def test_word_that_is_typed_wrong_finds_what_is_spelt_alike(
    in_acme: TenantRef, acme_people: People, query: str
) -> None:
    publish(acme_people["author"], "Pottery on the wheel")
    publish(acme_people["author"], "Bicycles")
    found = searching.search_articles(
        articles=permissions.readable_by(AnonymousUser()), query=query
    )
    assert found.is_close
    assert titles(query) == ["Pottery on the wheel"]


def test_word_of_the_text_is_mended_too(in_acme: TenantRef, acme_people: People) -> None:
    publish(acme_people["author"], "Title", "We dig **porcelain** here.")
    assert titles("porcelan") == ["Title"]


@pytest.mark.parametrize(
    "query",
    ["", "   ", "\x00", "the", "'", '"', "&", "!!!", "a:*", "((", "\\", "%", "😀", "x" * 5000],
)
def test_query_that_asks_for_nothing_finds_nothing(
    in_acme: TenantRef, acme_people: People, query: str
) -> None:
    publish(acme_people["author"], "Clay")
    assert titles(query) == []


def test_drafts_are_found_by_nobody_else_however_they_are_asked_for(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        writing.create_article(title="Quixotic", body="zephyr", by=acme_people["author"])
        assert SearchWord.objects.filter(word="quixotic").exists()
    for query in ("quixotic", "quixotik", "zephir"):
        for role in ("visitor", "member", "author"):
            page = as_role(role).get("/articles/", {"q": query}).content.decode()
            assert "Quixotic" not in page
            assert "zephyr" not in page
            answer = as_role(role).get("/api/v1/articles/search/", {"q": query}).json()
            assert (answer["count"], answer["is_close"]) == (0, False)


def test_change_of_words_and_tags_is_found(in_acme: TenantRef, acme_people: People) -> None:
    author = acme_people["author"]
    article = publish(author, "Clay")
    writing.change_article(article=article, by=author, changes={"body": "porcelain"})
    assert titles("porcelain") == ["Clay"]
    writing.change_article(article=article, by=author, changes={}, tags=["stoneware"])
    assert titles("stoneware") == ["Clay"]
    writing.delete_article(article=article, by=acme_people["editor"])
    assert titles("porcelain") == []


def test_matches_are_marked_and_everything_else_is_text(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        publish(
            acme_people["author"],
            "<b>Clay</b>\x02",
            "Much clay `<script>alert(1)</script>` and \x02 more.",
        )
    page = acme_client.get("/articles/?q=clay").content.decode()
    assert "&lt;b&gt;<mark>Clay</mark>&lt;/b&gt;" in page
    assert "Much <mark>clay</mark>" in page
    assert "<script>alert" not in page
    hit = acme_client.get("/api/v1/articles/search/?search=clay").json()["results"][0]
    assert hit["title_html"].strip() == "&lt;b&gt;<mark>Clay</mark>&lt;/b&gt;"
    assert hit["article"]["title"].startswith("<b>Clay</b>")


def test_marks_of_markdown_are_not_searched(in_acme: TenantRef, acme_people: People) -> None:
    publish(acme_people["author"], "Clay", "[A link](https://hidden.example/secretpath)")
    assert titles("secretpath") == []
    assert titles("link") == ["Clay"]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/articles/?q=kiln", 4),
        ("/api/v1/articles/search/?search=kiln", 4),
        ("/articles/?q=kilm", 6),
    ],
)
def test_queries_of_the_search(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    path: str,
    queries: int,
    rows: int,
) -> None:
    with context.run_in(acme):
        for number in range(rows):
            make_article(acme_people["author"], f"Kiln {number}")
    acme_client.get(path)
    with django_assert_num_queries(queries + SAVEPOINT):
        assert (
            b"Kiln" in acme_client.get(path).content or b"<mark>" in acme_client.get(path).content
        )


def test_results_are_in_pages(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    with context.run_in(acme):
        for number in range(14):
            make_article(acme_people["author"], f"Kiln {number}")
    assert acme_client.get("/articles/?q=kiln").content.decode().count("rows__link") == 12
    assert acme_client.get("/articles/?q=kiln&page=2").content.decode().count("rows__link") == 2
    answer = acme_client.get("/api/v1/articles/search/?search=kiln&page_size=10&page=2").json()
    assert (answer["count"], len(answer["results"])) == (14, 4)
    assert acme_client.get("/api/v1/articles/search/?search=kiln&page=9").status_code == 404


def test_admin_finds_by_the_same_search(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        make_article(acme_people["editor"], "Firing kilns", published=False)
        make_article(acme_people["editor"], "Bicycles")
    page = as_role("editor").get("/admin/articles/article/?q=fire+kiln").content.decode()
    assert "Firing kilns" in page
    assert "Bicycles" not in page
    assert (
        "Firing kilns"
        not in as_role("author").get("/admin/articles/article/?q=kiln").content.decode()
    )


# --- Language ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "name"),
    [("de", "german"), ("de-at", "german"), ("EN", "english"), ("ja", "simple"), ("", "simple")],
)
def test_configuration_of_a_language(language: str, name: str) -> None:
    assert configuration_of(language) == name


def test_server_knows_every_configuration(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT cfgname FROM pg_catalog.pg_ts_config")
        known = {name for (name,) in cursor.fetchall()}
    assert {*CONFIGURATIONS.values(), "simple"} <= known


def test_words_are_found_in_the_workspaces_language(
    in_acme: TenantRef, acme_people: People, settings: Any, tasks_at_once: None,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    publish(acme_people["author"], "Die Häuser am Hang")
    assert titles("Haus") == [], "in English it is another word"
    with django_capture_on_commit_callbacks(execute=True):
        configuration.change_settings(changes={"language": "de"}, by=acme_people["owner"])
    assert SearchEntry.objects.get().configuration == "german"
    assert titles("Haus") == ["Die Häuser am Hang"]


def test_each_configuration_has_its_branch_in_the_column(
    in_acme: TenantRef, acme_people: People
) -> None:
    """English words under each configuration: those with a grammar of English find the root."""
    publish(acme_people["author"], "Running")
    for name in ("simple", *sorted(set(CONFIGURATIONS.values()))):
        SearchEntry.objects.update(configuration=name)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT vector = setweight(to_tsvector(%s::regconfig, title), 'A')"
                " || to_tsvector(%s::regconfig, labels)"
                " || setweight(to_tsvector(%s::regconfig, text), 'C') FROM articles_searchentry",
                [name, name, name],
            )
            assert cursor.fetchall() == [(True,)], name


def test_entries_that_are_missing_or_old_are_made_anew(
    in_acme: TenantRef, acme_people: People
) -> None:
    for title in ("One clay", "Two clay", "Three clay"):
        publish(acme_people["author"], title)
    one, two, _ = SearchEntry.objects.order_by("article_id")
    one.delete()
    SearchEntry.objects.filter(pk=two.pk).update(made_by=0, text="old")
    assert titles("clay") == ["Three clay", "Two clay"]
    assert refresh_search() == 2
    assert refresh_search() == 0
    assert set(titles("clay")) == {"One clay", "Two clay", "Three clay"}


def test_language_is_asked_of_the_workspace(in_acme: TenantRef, acme_people: People) -> None:
    Workspace.objects.update(language="fr")
    publish(acme_people["author"], "Les chevaux")
    assert SearchEntry.objects.get().configuration == "french"


# --- By index ---------------------------------------------------------------------------------------


def plan(statement: str, parameters: tuple[Any, ...], *off: str) -> str:
    with connection.cursor() as cursor:
        # Few rows are read one by one, whatever indexes there are.
        for way in ("seqscan", *off):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(f"EXPLAIN {statement}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_full_text_is_read_by_its_index(in_acme: TenantRef, acme_people: People) -> None:
    query = searching.SearchQuery("kiln", config="english", search_type="websearch")
    found = SearchEntry.objects.filter(vector=query).values("article_id")
    assert "articles_searchentry_vector" in plan(*found.query.sql_with_params())


def test_words_that_are_spelt_alike_are_read_by_their_index(
    in_acme: TenantRef, acme_people: People
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO articles_searchword (word)"
            " SELECT md5(number::text) FROM generate_series(1, 20000) AS number"
        )
    found = SearchWord.objects.filter(word__trigram_similar="kiln").values("word")
    # Without statistics, which only the owner may gather, the table counts as all but empty.
    statement, parameters = found.query.sql_with_params()
    assert "articles_searchword_trigrams" in plan(
        statement, parameters, "indexonlyscan", "indexscan"
    )


def test_newest_matches_alone_are_put_in_order(
    in_acme: TenantRef, acme_people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        publish(acme_people["author"], f"Kiln {number}")
    monkeypatch.setattr(searching, "MAX_RANKED", 3)
    assert set(titles("kiln")) == {"Kiln 2", "Kiln 3", "Kiln 4"}
