"""Ghost's export: the tables of its database in one JSON document."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tenant_apps.articles.moving_in.ghost_file import read_ghost_file
from tenant_apps.articles.moving_in.records import ArticleRecord, FileInvalid, SourceFile

POST: dict[str, Any] = {
    "id": "p1", "uuid": "u-1", "title": "A post", "slug": "a-post", "status": "published",
    "html": '<p>One</p><img src="__GHOST_URL__/content/images/a.png">', "type": "post",
    "feature_image": "__GHOST_URL__/content/images/f.png", "visibility": "public",
    "custom_excerpt": "Short", "created_at": "2024-05-06T07:08:09.000Z",
    "published_at": "2024-05-07T07:08:09.000Z", "updated_at": None,
}  # fmt: skip


def read(**tables: Any) -> tuple[list[ArticleRecord], SourceFile]:
    source = SourceFile("ghost")
    data = {"settings": [{"key": "title", "value": "Old"}], **tables}
    document = {"db": [{"meta": {"version": "5.80.0"}, "data": data}]}
    return list(read_ghost_file(io.BytesIO(json.dumps(document).encode()), source)), source


def test_post_is_read_with_all_that_belongs_to_it() -> None:
    [article], source = read(
        posts=[POST],
        users=[{"id": "a", "name": "Ann", "email": "Ann@Old.example"}, {"id": "b", "name": "Bo"}],
        tags=[
            {"id": "t", "name": "News", "slug": "news"},
            {"id": "i", "name": "#internal", "slug": "hash-internal"},
        ],
        posts_tags=[
            {"post_id": "p1", "tag_id": "i", "sort_order": 0},
            {"post_id": "p1", "tag_id": "t", "sort_order": 1},
        ],
        posts_authors=[
            {"post_id": "p1", "author_id": "b", "sort_order": 1},
            {"post_id": "p1", "author_id": "a", "sort_order": 0},
        ],
    )
    assert source.title == "Old"
    assert source.writers["a"].email == "ann@old.example"
    assert [term.slug for term in source.terms] == ["news"]
    assert (article.key, article.slug, article.writer, article.state) == (
        "u-1",
        "a-post",
        "a",
        "published",
    )
    assert article.html == '<p>One</p><img src="/content/images/a.png">'
    assert article.image_url == "/content/images/f.png"
    assert article.addresses == ("/a-post/",)
    assert [term.slug for term in article.tags] == ["news"]
    assert article.published_at == datetime(2024, 5, 7, 7, 8, 9, tzinfo=UTC)
    assert not article.members_only


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"status": "draft"}, "state", "draft"),
        ({"status": "scheduled"}, "state", "scheduled"),
        ({"status": "sent"}, "state", "published"),
        ({"visibility": "members"}, "members_only", True),
        ({"visibility": "paid"}, "members_only", True),
        ({"type": "page"}, "is_page", True),
        ({"type": None, "page": 1}, "is_page", True),
        (
            {"published_at": 1715065689000},
            "published_at",
            datetime(2024, 5, 7, 7, 8, 9, tzinfo=UTC),
        ),
        ({"published_at": 10**20}, "published_at", None),
        ({"published_at": -(10**17)}, "published_at", None),
        ({"published_at": "0001-01-01T00:00:00+01:00"}, "published_at", None),
        ({"custom_excerpt": "a\x00b"}, "excerpt", "ab"),
        ({"title": "a\ud800b"}, "title", "ab"),
        ({"slug": None}, "addresses", ()),
    ],
)
def test_older_and_other_posts_are_understood(
    change: dict[str, Any], field: str, value: object
) -> None:
    [article], _ = read(posts=[POST | change])
    assert getattr(article, field) == value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"html": None, "lexical": "{}"}, "editor's own format"),
        ({"html": "", "mobiledoc": "{}"}, "editor's own format"),
        ({"status": "odd"}, "not known"),
    ],
)
def test_post_that_cannot_be_taken_is_named(change: dict[str, Any], why: str) -> None:
    articles, source = read(posts=[POST | change])
    assert articles == []
    assert source.left_out[0].title == "A post"
    assert why in source.left_out[0].why


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "broken at line 1"),
        (b'{"db": [', "broken at line 1"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "no export of Ghost"),
        (b'{"db": [{"data": {"posts": 3}}]}', "no export of Ghost"),
        (b'{"db": "x"}', "no export of Ghost"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_file_that_is_none_is_refused_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(FileInvalid, match=words):
        list(read_ghost_file(io.BytesIO(data), SourceFile("ghost")))
