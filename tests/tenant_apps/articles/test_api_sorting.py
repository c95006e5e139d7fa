"""Lists with filters and orders, trees, tags and old addresses, by the API."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import searching, sorting, writing
from tenant_apps.articles.errors import SameTag, TagGone
from tenant_apps.articles.models import Article, Category, Tag
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People, make_article
from tests.tenant_apps.problems import sentences

JSON: dict[str, Any] = {"content_type": "application/json", "headers": {"If-Match": "*"}}
API = "/api/v1"


@pytest.fixture
def library(acme: TenantRef, acme_people: People) -> dict[str, Article]:
    """Three articles in a tree of two categories, one of them a draft."""
    with context.run_in(acme):
        top = Category.objects.create(name="Top", slug="top")
        low = Category.objects.create(name="Low", slug="low", parent=top)
        made = {
            "kiln": make_article(acme_people["author"], "Kiln"),
            "glaze": make_article(acme_people["editor"], "Glaze"),
            "draft": make_article(acme_people["editor"], "Draft", published=False),
        }
        long_ago = timezone.now() - timedelta(days=400)
        Article.objects.filter(pk=made["kiln"].pk).update(category=low, published_at=long_ago)
        Article.objects.filter(pk=made["glaze"].pk).update(category=top, visibility="members")
    return made


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["Draft", "Glaze", "Kiln"]),
        ("state=draft", ["Draft"]),
        ("visibility=members", ["Glaze"]),
        ("category=top", ["Glaze", "Kiln"]),
        ("category=low", ["Kiln"]),
        ("tag=clay", ["Draft", "Glaze", "Kiln"]),
        ("author={author}", ["Kiln"]),
        ("published_to=2026-01-01T00:00:00Z", ["Kiln"]),
        ("updated_from=2999-01-01T00:00:00Z", []),
        ("search=kiln", ["Kiln"]),
        ("search=glaze&state=draft", []),
        ("ordering=id", ["Kiln", "Glaze", "Draft"]),
        ("ordering=-updated_at", ["Draft", "Glaze", "Kiln"]),
        ("ordering=published_at", ["Kiln", "Glaze"]),
    ],
)
def test_list_is_narrowed_and_ordered(
    acme_people: People, as_role: LoggedIn, library: dict[str, Article], query: str, titles: list[str]
) -> None:  # fmt: skip
    query = query.format(author=acme_people["author"].pk)
    client, seen = as_role("editor"), []
    address = f"{API}/articles/?page_size=1&{query}"
    while address:
        answer = client.get(address).json()
        seen += [one["title"] for one in answer["results"]]
        address = answer["next"]
    assert seen == titles


def test_filters_find_nothing_that_is_not_for_this_person(
    acme_client: Client, library: dict[str, Article]
) -> None:
    for query in ("state=draft", "visibility=members", "search=draft", "search=glaze"):
        assert acme_client.get(f"{API}/articles/?{query}").json()["results"] == []


def test_tree_counts_what_stands_below(acme_client: Client, library: dict[str, Article]) -> None:
    rows = acme_client.get(f"{API}/article-categories/tree/").json()["results"]
    told = [(row["name"], row["parent"], row["depth"], row["article_count"]) for row in rows]
    # Visitors: what is for members alone is not counted.
    assert told == [("Top", None, 0, 1), ("Low", "top", 1, 1)]


def test_deep_tree_is_told(acme: TenantRef, acme_client: Client) -> None:
    with context.run_in(acme):
        parent = None
        for number in range(1200):
            parent = Category.objects.create(name="C", slug=f"c-{number}", parent=parent)
    answer = acme_client.get(f"{API}/article-categories/tree/?page=12&page_size=100").json()
    assert answer["results"][-1]["depth"] == 1199


def test_words_of_drafts_are_no_tags_for_visitors(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        writing.create_article(title="x", body="x", by=acme_people["editor"], tags=["secret"])
        make_article(acme_people["editor"])
    names = [one["name"] for one in as_role("visitor").get(f"{API}/tags/").json()["results"]]
    assert names == ["clay"]
    names = [one["name"] for one in as_role("author").get(f"{API}/tags/").json()["results"]]
    assert names == ["clay", "secret"]


def test_tag_is_renamed_and_found_by_its_new_name(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        make_article(acme_people["editor"])
        tag = Tag.objects.get(slug="clay")
        Tag.objects.create(name="Mud", slug="mud")
    client, path = as_role("editor"), f"{API}/tags/{tag.pk}/"
    assert client.patch(path, {"name": "Porcelain"}, **JSON).json()["name"] == "Porcelain"
    taken = client.patch(path, {"slug": "mud"}, **JSON)
    assert (taken.status_code, list(sentences(taken))) == (400, ["slug"])
    with context.run_in(acme):
        assert searching.refresh_index() == 1
    found = client.get(f"{API}/articles/?search=porcelain").json()["results"]
    assert [one["tags"] for one in found] == [["Porcelain"]]


def test_tags_become_one(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        by = acme_people["editor"]
        both = writing.create_article(title="Both", body="x", by=by, tags=["clay", "mud"])
        one = writing.create_article(title="One", body="x", by=by, tags=["mud"])
        mud, clay = Tag.objects.get(slug="mud"), Tag.objects.get(slug="clay")
    path = f"{API}/tags/{mud.pk}/merge/"
    merged = as_role("editor").post(path, {"into": clay.pk}, **JSON)
    assert (merged.status_code, merged.json()["slug"]) == (200, "clay")
    assert as_role("editor").post(path, {"into": clay.pk}, **JSON).status_code == 404
    with context.run_in(acme):
        assert [tag.slug for tag in Tag.objects.all()] == ["clay"]
        for article in (both, one):
            assert [tag.slug for tag in article.tags.all()] == ["clay"]
        assert Entry.objects.get(verb="tag.merged").before["name"] == "mud"


def test_merge_that_cannot_be(in_acme: TenantRef, acme_people: People) -> None:
    tag, other = (Tag.objects.create(name=name, slug=name) for name in ("a", "b"))
    with pytest.raises(SameTag, match="into itself"):
        sorting.merge_tags(tag=tag, into=tag, by=acme_people["editor"])
    with pytest.raises(NotAllowed):
        sorting.merge_tags(tag=tag, into=other, by=acme_people["author"])
    Tag.objects.filter(pk=other.pk).delete()
    with pytest.raises(TagGone, match="not there any more"):
        sorting.merge_tags(tag=tag, into=other, by=acme_people["editor"])


def test_old_address_is_listed_and_given_up(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        old = article.slug
        writing.change_article(article=article, by=acme_people["author"], changes={"slug": "new"})
    client = as_role("author")
    (listed,) = client.get(f"{API}/old-addresses/?article={article.pk}").json()["results"]
    assert (listed["slug"], listed["leads_to"]) == (old, "/articles/new/")
    assert client.delete(f"{API}/old-addresses/{listed['id']}/").status_code == 204
    assert client.get(f"/articles/{old}/").status_code == 404


def test_difference_of_a_revision(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        by = acme_people["author"]
        article = writing.create_article(title="x", body="One.\n\nTwo.", by=by)
        writing.change_article(article=article, by=by, changes={"body": "One.\n\nThree."})
    path = f"{API}/articles/{article.pk}/revisions"
    second = as_role("author").get(f"{path}/2/difference/").json()
    assert (second["against"], second["body"]["added"], second["body"]["removed"]) == ("1", 1, 1)
    first = as_role("author").get(f"{path}/1/difference/?against=now").json()
    assert (first["against"], first["title"]["lines"]) == ("now", [])
    assert "Three" in str(first["body"]["lines"])
    wrong = as_role("author").get(f"{path}/1/difference/?against=x")
    assert (wrong.status_code, list(sentences(wrong))) == (400, ["against"])
