import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import sharing, writing
from tenant_apps.articles.models import Article, Category
from tests.tenant_apps.articles.test_pages import SAVEPOINT, make_many
from tests.tenant_apps.conftest import LoggedIn, People, make_article
from tests.tenant_apps.problems import sentences

ATOM = {"a": "http://www.w3.org/2005/Atom"}
MAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
EVIL = 'A </script><script>alert(1)</script> & "B" \x0b'


def json_ld(page: str) -> Any:
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_page_says_what_it_is(acme: TenantRef, acme_people: People, acme_client: Client) -> None:
    make_many(acme, acme_people, 1)
    page = acme_client.get("/articles/article-0/").content.decode()
    url = "http://acme.localhost:8000/articles/article-0/"
    assert f'<link rel="canonical" href="{url}">' in page
    assert f'<meta property="og:url" content="{url}">' in page
    assert '<meta property="og:description" content="Hot and slow.">' in page
    told = json_ld(page)
    assert told["@type"] == "BlogPosting"
    assert (told["headline"], told["url"]) == ("Article 0", url)
    assert told["author"] == {"@type": "Person", "name": "Author of Acme"}
    assert (told["articleSection"], told["keywords"]) == ("Workshop", ["clay"])


def test_words_end_nothing_that_they_stand_in(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], EVIL)
    page = acme_client.get(f"/articles/{article.slug}/").content.decode()
    assert "<script>alert" not in page
    assert json_ld(page)["headline"] == EVIL
    for path in ("/articles/feed.rss", "/articles/feed.atom"):
        root = ET.fromstring(acme_client.get(path).content)  # noqa: S314 (our own)
        titles = [element.text for element in root.iter() if element.tag.endswith("title")]
        assert EVIL.removesuffix("\x0b") in titles


def test_draft_is_told_to_no_search_engine(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
    page = as_role("author").get(f"/articles/{article.slug}/").content.decode()
    assert '<meta name="robots" content="noindex">' in page
    assert "ld+json" not in page


def test_list_has_one_address_whatever_else_is_asked(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    make_many(acme, acme_people, 14)
    for path, canonical in (
        ("/articles/?utm_source=x", "/articles/"),
        ("/articles/?page=2&x=1", "/articles/?page=2"),
        ("/articles/category/workshop/?page=1", "/articles/category/workshop/"),
        ("/articles/tag/clay/", "/articles/tag/clay/"),
    ):
        page = acme_client.get(path).content.decode()
        assert f'rel="canonical" href="http://acme.localhost:8000{canonical}"' in page
        assert 'type="application/atom+xml"' in page


@pytest.mark.parametrize("kind", ["rss", "atom"])
@pytest.mark.parametrize("rows", [1, 3])
def test_feed_has_the_newest(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    kind: str,
    rows: int,
) -> None:
    make_many(acme, acme_people, rows)
    with django_assert_num_queries(3 + SAVEPOINT):
        answer = acme_client.get(f"/articles/feed.{kind}")
    assert answer.headers["Content-Type"].startswith(f"application/{kind}+xml")
    root = ET.fromstring(answer.content)  # noqa: S314 (our own)
    items = root.findall("channel/item") if kind == "rss" else root.findall("a:entry", ATOM)
    assert len(items) == rows
    text = answer.content.decode()
    assert text.index(f"Article {rows - 1}") <= text.index("Article 0")
    with context.run_in(acme):
        assert f"urn:uuid:{Article.objects.first().pk}" in text  # type: ignore[union-attr]


def test_feed_that_is_known_is_not_sent_again(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    make_many(acme, acme_people, 1)
    first = acme_client.get("/articles/feed.atom")
    again = acme_client.get("/articles/feed.atom", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    with context.run_in(acme):
        make_article(acme_people["author"], "New")
    changed = acme_client.get("/articles/feed.atom", headers={"if-none-match": first["ETag"]})
    assert changed.status_code == 200


def places(answer: Any) -> list[str]:
    root = ET.fromstring(answer.content)  # noqa: S314 (our own)
    return [
        (element.text or "").removeprefix("http://acme.localhost:8000")
        for element in root.findall("*/s:loc", MAP)
    ]


@pytest.mark.parametrize("rows", [1, 3])
def test_sitemap_has_all_that_everybody_may_read(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    make_many(acme, acme_people, rows)
    with context.run_in(acme):
        make_article(acme_people["author"], "Draft", published=False)
        Category.objects.create(name="Empty", slug="empty")
    with django_assert_num_queries(4 + SAVEPOINT):
        answer = acme_client.get("/sitemap-articles.xml")
    assert places(answer) == [
        "/",
        "/articles/",
        "/articles/category/workshop/",
        *(f"/articles/article-{number}/" for number in range(rows)),
    ]


def test_large_sitemap_is_in_pages(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_many(acme, acme_people, 5)
    monkeypatch.setattr(sharing, "SITEMAP_ITEMS", 2)
    path = "/sitemap-articles.xml"
    assert places(acme_client.get(path)) == [f"{path}?page={n}" for n in (1, 2, 3)]
    found = [place for n in (1, 2, 3) for place in places(acme_client.get(f"{path}?page={n}"))]
    assert [place for place in found if "article-" in place] == [
        f"/articles/article-{number}/" for number in range(5)
    ]
    for page in ("0", "4", "-1", "x", "٣", "99999999999"):
        assert acme_client.get("/sitemap-articles.xml", {"page": page}).status_code == 404, page


# --- Excerpts ---------------------------------------------------------------------------------------


def test_excerpt_is_made_where_it_is_empty(in_acme: TenantRef, acme_people: People) -> None:
    author = acme_people["author"]
    article = writing.create_article(title="T", body="**Bold** words.", by=author)
    assert (article.excerpt, article.summary) == ("", "Bold words.")
    writing.change_article(article=article, by=author, changes={"body": "Others."})
    assert Article.objects.get().summary == "Others."
    writing.change_article(article=article, by=author, changes={"excerpt": "By hand."})
    assert Article.objects.get().summary == "By hand."


def test_excerpt_of_an_older_article_is_made_by_the_hourly_task(
    in_acme: TenantRef, acme_people: People
) -> None:
    from tenant_apps.articles.models import SearchEntry
    from tenant_apps.articles.tasks import refresh_search

    make_article(acme_people["author"])
    SearchEntry.objects.all().delete()
    Article.objects.update(made_excerpt=None)
    assert Article.objects.get().summary == ""
    refresh_search()
    assert Article.objects.get().summary == "Hot and slow."


def test_made_excerpt_is_shown_in_lists(
    acme: TenantRef, acme_people: People, acme_client: Client
) -> None:
    make_many(acme, acme_people, 1)
    assert "Hot and slow." in acme_client.get("/articles/").content.decode()
    assert acme_client.get("/api/v1/articles/").json()["results"][0]["summary"] == "Hot and slow."


# --- A date in the past -----------------------------------------------------------------------------


def test_date_in_the_past_is_refused_at_the_field(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"], published=False)
    client = as_role("author")
    page = client.post(
        f"/desk/{article.pk}/schedule/", {"at": "2020-01-01T12:00", "time_zone": "UTC"}
    )
    assert "This time has passed." in str(page.context["schedule_form"].errors["at"])
    assert "This time has passed." in page.content.decode()
    api = f"/api/v1/articles/{article.pk}/schedule/"
    refused = client.post(api, {"at": "2020-01-01T12:00:00Z"}, content_type="application/json")
    assert refused.status_code == 400
    assert "This time has passed." in sentences(refused)["at"][0]
    kept = client.post(api, {"at": "2099-01-01T12:00:00Z"}, content_type="application/json")
    assert kept.json()["state"] == "scheduled"
