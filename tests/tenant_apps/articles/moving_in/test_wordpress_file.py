"""WordPress's export, read item by item: everything is either taken or named as left out."""

import io
from datetime import UTC, datetime

import pytest

from tenant_apps.articles.moving_in.records import ArticleRecord, FileInvalid, SourceFile, path_of
from tenant_apps.articles.moving_in.wordpress_file import read_wordpress_file

HEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<!-- generator="WordPress/6.8" -->
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:wp="http://wordpress.org/export/{version}/">
<channel><title>Old blog</title><link>https://old.example</link>
<wp:wxr_version>{version}</wp:wxr_version><wp:base_site_url>https://old.example</wp:base_site_url>
<wp:author><wp:author_id>1</wp:author_id><wp:author_login><![CDATA[ina]]></wp:author_login>
<wp:author_email><![CDATA[Ina@Old.Example]]></wp:author_email>
<wp:author_display_name><![CDATA[Ina Calder]]></wp:author_display_name></wp:author>
<wp:category><wp:term_id>3</wp:term_id><wp:category_nicename>news</wp:category_nicename>
<wp:category_parent></wp:category_parent><wp:cat_name><![CDATA[News & more]]></wp:cat_name></wp:category>
<wp:category><wp:category_nicename>local</wp:category_nicename><wp:category_parent>news</wp:category_parent>
<wp:cat_name><![CDATA[Local]]></wp:cat_name></wp:category>
<wp:tag><wp:tag_slug>caf%C3%A9</wp:tag_slug><wp:tag_name><![CDATA[Café]]></wp:tag_name></wp:tag>
"""
FOOT = "</channel></rss>"
POST = """<item><title><![CDATA[A post]]></title><link>https://old.example/2020/01/a-post/</link>
<pubDate>Thu, 02 Jan 2020 10:00:00 +0000</pubDate><dc:creator><![CDATA[ina]]></dc:creator>
<guid isPermaLink="false">https://old.example/?p=7</guid>
<content:encoded><![CDATA[One

Two ]]></content:encoded><excerpt:encoded><![CDATA[Short]]></excerpt:encoded>
<wp:post_id>7</wp:post_id><wp:post_date>2020-01-02 11:00:00</wp:post_date>
<wp:post_date_gmt>2020-01-02 10:00:00</wp:post_date_gmt>
<wp:post_modified_gmt>2020-02-03 04:05:06</wp:post_modified_gmt>
<wp:post_name>a-post</wp:post_name><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
<category domain="category" nicename="local"><![CDATA[Local]]></category>
<category domain="post_tag" nicename="caf%C3%A9"><![CDATA[Café]]></category>
<wp:postmeta><wp:meta_key>_thumbnail_id</wp:meta_key><wp:meta_value>9</wp:meta_value></wp:postmeta>
<wp:comment><wp:comment_id>1</wp:comment_id><wp:comment_author><![CDATA[Rae]]></wp:comment_author>
<wp:comment_author_email>Rae@Example.com</wp:comment_author_email>
<wp:comment_date_gmt>2020-01-03 00:00:00</wp:comment_date_gmt>
<wp:comment_content><![CDATA[Nice]]></wp:comment_content><wp:comment_approved>1</wp:comment_approved>
<wp:comment_parent>0</wp:comment_parent></wp:comment>
<wp:comment><wp:comment_id>2</wp:comment_id><wp:comment_author>Ina</wp:comment_author>
<wp:comment_date_gmt>2020-01-04 00:00:00</wp:comment_date_gmt>
<wp:comment_content>Thanks</wp:comment_content><wp:comment_approved>0</wp:comment_approved>
<wp:comment_parent>1</wp:comment_parent></wp:comment>
<wp:comment><wp:comment_id>3</wp:comment_id><wp:comment_type>pingback</wp:comment_type></wp:comment>
<wp:comment><wp:comment_id>4</wp:comment_id><wp:comment_approved>spam</wp:comment_approved></wp:comment>
</item>"""


def item(kind: str = "post", status: str = "publish", more: str = "") -> str:
    return (
        f"<item><title>T {kind} {status}</title><wp:post_id>1</wp:post_id>"
        f"<wp:post_type>{kind}</wp:post_type><wp:status>{status}</wp:status>{more}</item>"
    )


def read(body: str, version: str = "1.2") -> tuple[list[ArticleRecord], SourceFile]:
    source = SourceFile("wordpress")
    file = io.BytesIO((HEAD.format(version=version) + body + FOOT).encode())
    return list(read_wordpress_file(file, source)), source


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_post_is_read_with_all_that_belongs_to_it(version: str) -> None:
    [article], source = read(POST, version)
    assert (source.title, source.address) == ("Old blog", "https://old.example")
    assert source.writers["ina"].name == "Ina Calder"
    assert source.writers["ina"].email == "ina@old.example"
    assert [(t.kind, t.name, t.slug, t.parent) for t in source.terms] == [
        ("category", "News & more", "news", ""),
        ("category", "Local", "local", "news"),
        ("tag", "Café", "café", ""),
    ]
    assert (article.key, article.title, article.slug, article.writer) == (
        "7",
        "A post",
        "a-post",
        "ina",
    )
    assert article.addresses == ("/2020/01/a-post/", "/?p=7")
    assert article.html == "One\n\nTwo"
    assert article.excerpt == "Short"
    assert article.published_at == datetime(2020, 1, 2, 10, tzinfo=UTC)
    assert article.updated_at == datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert [term.slug for term in article.categories] == ["local"]
    assert [term.slug for term in article.tags] == ["café"]
    assert article.image_url == "9"
    assert article.is_plain


def test_comments_are_read_and_noise_is_named() -> None:
    [article], source = read(POST)
    assert [(c.key, c.parent_key, c.name, c.email, c.is_approved) for c in article.comments] == [
        ("1", "", "Rae", "rae@example.com", True),
        ("2", "1", "Ina", "", False),
    ]
    assert [left.why for left in source.left_out] == [
        "It says that another site has a link to the article.",
        "It was marked as spam.",
    ]


@pytest.mark.parametrize(
    ("status", "state", "has_date"),
    [
        ("publish", "published", True),
        ("future", "scheduled", True),
        ("draft", "draft", False),
        ("pending", "draft", False),
        ("private", "draft", False),
    ],
)
def test_state_is_kept(status: str, state: str, has_date: bool) -> None:
    date = "<wp:post_date_gmt>2030-01-02 10:00:00</wp:post_date_gmt>"
    [article], _ = read(item(status=status, more=date))
    assert article.state == state
    assert (article.published_at is not None) is has_date


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("<wp:post_date_gmt>0000-00-00 00:00:00</wp:post_date_gmt>", None),
        (
            "<wp:post_date_gmt>0000-00-00 00:00:00</wp:post_date_gmt>"
            "<pubDate>Mon, 30 Nov -0001 00:00:00 +0000</pubDate>",
            None,
        ),
        (
            "<wp:post_date>2008-09-05 19:39:12</wp:post_date>"
            "<pubDate>Fri, 05 Sep 2008 21:39:12 +0200</pubDate>",
            datetime(2008, 9, 5, 19, 39, 12, tzinfo=UTC),
        ),
        (
            "<wp:post_date>2008-10-17 04:33:51</wp:post_date>",
            datetime(2008, 10, 17, 4, 33, 51, tzinfo=UTC),
        ),
    ],
)
def test_old_exports_say_when_in_other_ways(date: str, moment: datetime | None) -> None:
    [article], _ = read(item(more=date))
    assert article.published_at == moment


def test_entries_that_are_no_articles_are_named_or_quiet() -> None:
    body = (
        item("page") + item("product") + item(status="trash") + item(status="auto-draft")
        + item("nav_menu_item") + item("revision", "inherit")
    )  # fmt: skip
    articles, source = read(body)
    assert [article.is_page for article in articles] == [True]
    assert [(left.what, left.title) for left in source.left_out] == [
        ("product", "T product publish"),
        ("post", "T post trash"),
        ("post", "T post auto-draft"),
    ]


def test_attachments_are_known_by_number() -> None:
    more = "<wp:attachment_url>https://old.example/a.jpg</wp:attachment_url>"
    articles, source = read(item("attachment", "inherit", more))
    assert (articles, source.attachments) == ([], {"1": "https://old.example/a.jpg"})


def test_article_without_a_number_is_known_by_its_address() -> None:
    bare = (
        "<item><title>{0}</title><link>https://old.example/{0}/</link>"
        "<wp:post_type>post</wp:post_type></item>"
    )
    articles, _ = read(bare.format("one") + bare.format("two"))
    assert [article.key for article in articles] == [
        "https://old.example/one/",
        "https://old.example/two/",
    ]


def test_bytes_that_xml_forbids_are_passed_over() -> None:
    [article], _ = read(item(more="<content:encoded><![CDATA[a\x0bb\x08]]></content:encoded>"))
    assert article.html == "ab"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "broken at line 1"),
        (b"Title,Body\n", "broken at line 1"),
        (b"<rss><channel><item/></channel></rss>", "no export of WordPress"),
        (HEAD.format(version="1.2").encode() + POST.encode()[:500], "Export it again"),
        (b'<?xml version="1.0" encoding="Shift_JIS"?><rss/>', "Save it as UTF-8"),
        (b'<?xml version="1.0" encoding="none-such"?><rss/>', "Save it as UTF-8"),
        (b'<!DOCTYPE r [<!ENTITY a "aaaa">]><rss>&a;</rss>', "document type"),
    ],
)
def test_file_that_is_none_is_refused_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(FileInvalid, match=words):
        list(read_wordpress_file(io.BytesIO(data), SourceFile("wordpress")))


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://a.example/x/?p=1#top", "/x/?p=1"),
        ("https://a.example", "/"),
        ("/x", "/x"),
        ("http://a.example/?p=1", "/?p=1"),
    ],
)
def test_path_of_an_address(address: str, path: str) -> None:
    assert path_of(address) == path
