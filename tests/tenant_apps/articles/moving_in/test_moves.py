"""From a file of another system to articles here: what is looked through, made, led on and fetched."""

import csv
import http.server
import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.articles import publishing, tasks, writing
from tenant_apps.articles.errors import MoveNotReady, SiteInvalid
from tenant_apps.articles.models import (
    Article,
    Category,
    Comment,
    CommentState,
    LeftOut,
    Move,
    MovedAddress,
    MovedArticle,
    MovedPicture,
    MoveState,
    OldAddress,
    State,
    Subscriber,
    Tag,
    Visibility,
)
from tenant_apps.articles.moving_in import moves, taking
from tenant_apps.articles.moving_in.addresses import normal_address
from tenant_apps.articles.moving_in.records import FileInvalid
from tenant_apps.outbound import Address
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tests.tenant_apps.articles.moving_in.test_ghost_file import POST as GHOST_POST
from tests.tenant_apps.articles.moving_in.test_wordpress_file import FOOT, HEAD, POST
from tests.tenant_apps.articles.test_pictures import drawn
from tests.tenant_apps.conftest import LoggedIn, People, make_article

ALL_ROLES = ("visitor", "member", "author", "editor", "admin", "owner")


def post(
    key: int,
    *,
    title: str = "",
    text: str = "Words.",
    status: str = "publish",
    when: str = "2021-05-06 07:08:09",
    more: str = "",
    kind: str = "post",
    writer: str = "ina",
) -> str:
    title = title or f"Post {key}"
    return (
        f"<item><title><![CDATA[{title}]]></title>"
        f"<link>https://old.example/2021/05/post-{key}/</link>"
        f"<dc:creator>{writer}</dc:creator><content:encoded><![CDATA[{text}]]></content:encoded>"
        f"<wp:post_id>{key}</wp:post_id><wp:post_date_gmt>{when}</wp:post_date_gmt>"
        f"<wp:post_name>post-{key}</wp:post_name><wp:status>{status}</wp:status>"
        f"<wp:post_type>{kind}</wp:post_type>{more}</item>"
    )


def wordpress(*items: str, head: str = "") -> bytes:
    return (HEAD.format(version="1.2") + head + "".join(items) + FOOT).encode()


def ghost(**tables: Any) -> bytes:
    return json.dumps({"db": [{"meta": {}, "data": tables}]}).encode()


def begin(
    content: bytes,
    by: User,
    *,
    name: str = "old.xml",
    with_pictures: bool = False,
    site_address: str = "",
) -> Move:
    return moves.begin_move(
        file=io.BytesIO(content),
        file_name=name,
        size=len(content),
        with_pictures=with_pictures,
        site_address=site_address,
        by=by,
    )


Taker = Callable[..., Move]


@pytest.fixture
def take(
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Taker:
    """`take(content)`: a file's whole way, as its tasks do it."""

    def whole_way(content: bytes, role: str = "owner", **options: Any) -> Move:
        by = acme_people[role]
        with django_capture_on_commit_callbacks(execute=True):
            move = begin(content, by, **options)
        move.refresh_from_db()
        if move.state == MoveState.CHECKED:
            with django_capture_on_commit_callbacks(execute=True):
                moves.request_take(move=move, by=by)
            move.refresh_from_db()
        return move

    return whole_way


# --- Looking through ---------------------------------------------------------------------------------


def test_file_is_looked_through_and_nothing_is_made(
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    content = wordpress(
        POST,
        post(8, status="draft"),
        post(9, status="trash"),
        post(10, kind="page", text="<iframe src='https://v.example/1'></iframe>"),
    )
    before = (User.objects.count(), Category.objects.count(), Tag.objects.count())
    with django_capture_on_commit_callbacks(execute=True):
        move = begin(content, acme_people["editor"])
    move.refresh_from_db()
    assert (move.state, move.system, move.site) == ("checked", "wordpress", "https://old.example")
    report = move.report
    assert {name: report[name] for name in ("articles", "published", "draft", "pages")} == {
        "articles": 3,
        "published": 2,
        "draft": 1,
        "pages": 1,
    }
    assert (report["comments"], report["categories"], report["tags"]) == (2, 1, 1)
    assert report["writers"] == [{"name": "Ina Calder", "here": ""}]
    whats = list(move.left_out.values_list("what", flat=True))
    assert report["left_out"] == len(whats)
    assert sorted(whats) == ["comment", "comment", "in the text", "page", "post"]
    assert before == (User.objects.count(), Category.objects.count(), Tag.objects.count())
    assert not Article.objects.exists()


def test_what_is_said_before_is_what_becomes_of_it(take: Taker) -> None:
    secret = "<wp:post_password>secret</wp:post_password>"
    move = take(wordpress(post(1, more=secret), post(2, status="future"), post(3)))
    said = {state: move.report.get(state, 0) for state in ("published", "scheduled", "draft")}
    assert said == {"published": 2, "scheduled": 0, "draft": 1}
    became = list(Article.objects.values_list("state", flat=True))
    assert {state: became.count(state) for state in said} == said
    # Of the file that comes now, not of the site.
    assert take(wordpress(post(3), post(4))).report["already"] == 1


@pytest.mark.parametrize(
    ("role", "words"),
    [("owner", "becomes somebody who can't log in"), ("editor", "stand under your name")],
)
def test_page_says_what_becomes_of_a_writer(
    acme: TenantRef,
    as_role: LoggedIn,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    role: str,
    words: str,
) -> None:
    client = as_role(role)
    with django_capture_on_commit_callbacks(execute=True):
        file = SimpleUploadedFile("old.xml", wordpress(POST))
        sent = client.post("/desk/move-in/", {"file": file})
    page = client.get(sent["Location"]).content.decode()
    assert "Ina Calder" in page
    assert words in page


def test_gallery_whose_pictures_stand_behind_it_in_the_file_is_whole(take: Taker) -> None:
    more = "<wp:attachment_url>https://old.example/jug.jpg</wp:attachment_url>"
    attachment = post(9, kind="attachment", more=more)
    move = take(wordpress(post(1, text='[gallery ids="9"]'), attachment))
    assert list(move.left_out.filter(what="in the text")) == []
    assert move.report["pictures"] == 1
    assert Article.objects.get().body == "![](https://old.example/jug.jpg)"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"title,body\nOne,Two\n", "neither an export"),
        (b"PK\x03\x04" + b"\x00" * 50, "is packed"),
        (b"\x1f\x8b\x08\x00", "is packed"),
        (b"<html><body>Hello</body></html>", "no export of WordPress"),
        (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "declares entities"),
    ],
)
def test_file_of_something_else_is_refused_at_once(
    in_acme: TenantRef, acme_people: People, content: bytes, sentence: str
) -> None:
    with pytest.raises(FileInvalid, match=sentence):
        begin(content, acme_people["editor"])
    assert not Move.objects.exists()


def test_file_that_is_too_large_is_refused_unread(in_acme: TenantRef, acme_people: People) -> None:
    with pytest.raises(FileInvalid, match="300 MB; 200 MB is the most"):
        moves.begin_move(
            file=io.BytesIO(b""),
            file_name="x.xml",
            size=300 * 1_048_576,
            with_pictures=False,
            by=acme_people["editor"],
        )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (wordpress(POST, post(8, text="word " * 40_000))[:-40], "broken at line"),
        (wordpress(), "no articles"),
        (ghost(posts=[]), "no articles"),
        (b'{"db": [', "broken at line 1"),
        (b'{"a": 1}', "no export of Ghost"),
    ],
)
def test_file_that_turns_out_broken_is_refused_with_a_sentence(
    take: Taker, content: bytes, sentence: str
) -> None:
    move = take(content)
    assert move.state == MoveState.REFUSED
    assert sentence in move.refusal
    assert not Article.objects.exists()
    assert move.stored == ""


# --- Taking over -------------------------------------------------------------------------------------


def test_article_comes_with_all_that_belongs_to_it(take: Taker) -> None:
    move = take(wordpress(POST))
    assert (move.state, move.report["taken"]) == (MoveState.DONE, 1)
    article = Article.objects.get()
    assert (article.title, article.slug, article.body) == ("A post", "a-post", "One\n\nTwo")
    assert (article.excerpt, article.state) == ("Short", State.PUBLISHED)
    assert article.published_at == datetime(2020, 1, 2, 10, tzinfo=UTC)
    assert article.updated_at == datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)
    category = article.category
    assert category is not None
    assert category.parent is not None
    assert (category.name, category.parent.name) == ("Local", "News & more")
    assert [tag.name for tag in article.tags.all()] == ["Café"]
    assert article.revisions.get().body == article.body
    first, second = Comment.objects.order_by("made_at")
    assert (first.name, first.email, first.body) == ("Rae", "rae@example.com", "Nice")
    assert (first.state, second.state) == (CommentState.APPROVED, CommentState.PENDING)
    assert second.answers == first
    assert second.thread == first
    assert second.depth == 1
    assert first.made_at == datetime(2020, 1, 3, tzinfo=UTC)
    assert not default_storage.exists(move.stored or "moves/x")


def test_writer_who_is_not_here_cannot_log_in(take: Taker) -> None:
    take(wordpress(POST))
    writer = Article.objects.get().author
    assert (writer.full_name, writer.email) == ("Ina Calder", "ina@old.example")
    assert not writer.is_active
    assert not writer.has_usable_password()


def test_writer_who_is_here_keeps_the_articles(take: Taker, acme_people: People) -> None:
    content = wordpress(POST).replace(b"Ina@Old.Example", b"AUTHOR@acme.example")
    take(content)
    assert Article.objects.get().author == acme_people["author"]
    assert acme_people["author"].is_active


def test_writers_stand_under_the_name_of_an_editor_who_lets_nobody_in(
    take: Taker, acme_people: People
) -> None:
    people = User.objects.count()
    move = take(wordpress(POST, post(8), post(9)), role="editor")
    assert {article.author for article in Article.objects.all()} == {acme_people["editor"]}
    assert User.objects.count() == people
    assert move.left_out.filter(what="writer").count() == 1


def test_writer_without_an_address_gets_one_that_nobody_has(take: Taker) -> None:
    take(wordpress(post(7, writer="Zoë")))
    assert Article.objects.get().author.email == "zoe@moved.invalid"


def test_writers_with_one_address_are_one_person(take: Taker) -> None:
    head = "".join(
        f"<wp:author><wp:author_login>{login}</wp:author_login>"
        f"<wp:author_email>desk@old.example</wp:author_email>"
        f"<wp:author_display_name>{login}</wp:author_display_name></wp:author>"
        for login in ("one", "two")
    )
    content = wordpress(post(1, writer="one"), post(2, writer="two"), head=head)
    assert take(content).state == MoveState.DONE
    assert {article.author.email for article in Article.objects.all()} == {"desk@old.example"}
    # They are here by now: found by each of their names.
    assert take(wordpress(post(3, writer="one"), post(4, writer="two"), head=head)).state == "done"
    assert {article.author.email for article in Article.objects.all()} == {"desk@old.example"}
    assert Article.objects.count() == 4


def test_subscribers_are_not_told_and_not_when_it_comes_back_from_the_archive(
    take: Taker, acme_people: People, django_capture_on_commit_callbacks: Any, mailoutbox: list[Any]
) -> None:
    Subscriber.objects.create(email="rae@example.com", confirmed_at=timezone.now(), sender="x")
    take(wordpress(post(1), post(2, status="draft")))
    article = Article.objects.get(slug="post-1")
    with django_capture_on_commit_callbacks(execute=True):
        publishing.archive_article(article=article, by=acme_people["owner"])
        publishing.publish_article(article=article, by=acme_people["owner"])
    assert mailoutbox == []
    # A draft is read here for the first time.
    with django_capture_on_commit_callbacks(execute=True):
        publishing.publish_article(
            article=Article.objects.get(slug="post-2"), by=acme_people["owner"]
        )
    assert [mail.to for mail in mailoutbox] == [["rae@example.com"]]


def test_states_and_dates_are_as_they_were(take: Taker) -> None:
    ahead = (timezone.now() + timedelta(days=3)).strftime("%Y-%m-%d %H:%M:%S")
    take(
        wordpress(
            post(1),
            post(2, status="draft"),
            post(3, status="future", when=ahead),
            post(4, status="future"),
            post(5, status="private"),
            post(6, more="<wp:post_password>secret</wp:post_password>"),
        )
    )
    states = dict(Article.objects.values_list("slug", "state"))
    assert states == {
        "post-1": State.PUBLISHED,
        "post-2": State.DRAFT,
        "post-3": State.SCHEDULED,
        # Its time has passed.
        "post-4": State.PUBLISHED,
        "post-5": State.DRAFT,
        "post-6": State.DRAFT,
    }
    assert Article.objects.get(slug="post-3").scheduled_for is not None
    assert LeftOut.objects.filter(what="password").count() == 1


def test_second_category_becomes_a_tag(take: Taker) -> None:
    more = (
        '<category domain="category" nicename="news">News &amp; more</category>'
        '<category domain="category" nicename="extra">Extra</category>'
    )
    take(wordpress(post(1, more=more)))
    article = Article.objects.get()
    assert article.category is not None
    assert article.category.slug == "news"
    assert [tag.name for tag in article.tags.all()] == ["Extra"]


def test_uncategorized_is_no_category(take: Taker) -> None:
    take(wordpress(post(1, more='<category nicename="uncategorized">Uncategorized</category>')))
    assert Article.objects.get().category is None
    assert not Category.objects.filter(slug="uncategorized").exists()


def test_category_tree_that_bites_its_tail_is_cut(take: Taker) -> None:
    ring = "".join(
        f"<wp:category><wp:category_nicename>{one}</wp:category_nicename>"
        f"<wp:category_parent>{other}</wp:category_parent><wp:cat_name>{one}</wp:cat_name></wp:category>"
        for one, other in (("red", "blue"), ("blue", "red"), ("own", "own"))
    )
    move = take(wordpress(POST, head=ring))
    assert move.state == MoveState.DONE
    assert {"red", "blue", "own"} <= set(Category.objects.values_list("slug", flat=True))


def test_ghost_articles_come_too(take: Taker) -> None:
    second = {**GHOST_POST, "uuid": "u-2", "slug": "second", "visibility": "members"}
    move = take(
        ghost(
            posts=[GHOST_POST, second],
            users=[{"id": "a", "name": "Ann", "email": "ann@old.example"}],
            posts_authors=[{"post_id": "p1", "author_id": "a", "sort_order": 0}],
        ),
        name="old.json",
    )
    assert (move.system, move.report["taken"]) == ("ghost", 2)
    assert Article.objects.get(slug="a-post").author.full_name == "Ann"
    assert Article.objects.get(slug="second").visibility == Visibility.MEMBERS


GHOST_WITH_PICTURES = {
    **GHOST_POST,
    "html": '<p><a href="__GHOST_URL__/second/">on</a></p>'
    '<img src="__GHOST_URL__/content/images/jug.jpg">',
    "feature_image": "__GHOST_URL__/content/images/cover.jpg",
}


def test_pictures_of_ghost_lead_to_the_site_that_was_named(take: Taker) -> None:
    second = {**GHOST_POST, "uuid": "u-2", "slug": "second"}
    content = ghost(posts=[GHOST_WITH_PICTURES, second])
    move = take(content, name="old.json", site_address="https://ghost.example/")
    assert not move.left_out.filter(what="picture").exists()
    article = Article.objects.get(slug="a-post")
    assert article.body == (
        "[on](/articles/second/)\n\n![](https://ghost.example/content/images/jug.jpg)"
    )
    cover = MovedArticle.objects.get(article=article).image_url
    assert cover == "https://ghost.example/content/images/cover.jpg"
    # The same articles, wherever the site is said to be.
    again = take(content, name="old.json", site_address="https://www.ghost.example")
    assert again.report["taken"] == 0
    assert take(content, name="old.json").report["taken"] == 0


def test_pictures_of_ghost_that_nobody_says_the_place_of_are_named(take: Taker) -> None:
    move = take(ghost(posts=[GHOST_WITH_PICTURES]), name="old.json")
    left = move.left_out.get(what="picture")
    assert left.title == "A post"
    assert left.why.startswith("The file does not say where 2 of its pictures are")


def test_site_that_is_no_site_is_refused(in_acme: TenantRef, acme_people: People) -> None:
    for address in (
        "ftp://old.example",
        "old.example",
        "https://",
        "https://[",
        "https://" + "x" * 200,
    ):
        with pytest.raises(SiteInvalid, match="begins with https://"):
            begin(ghost(posts=[GHOST_POST]), acme_people["owner"], site_address=address)
    assert not Move.objects.exists()


def test_same_file_again_makes_nothing_twice(take: Taker, acme_people: People) -> None:
    take(wordpress(POST))
    writing.change_article(
        article=Article.objects.get(), by=acme_people["owner"], changes={"title": "Mine"}
    )
    again = take(wordpress(POST, post(8)))
    assert again.report["taken"] == 1
    assert sorted(Article.objects.values_list("title", flat=True)) == ["Mine", "Post 8"]
    assert Comment.objects.count() == 2
    assert User.objects.filter(full_name="Ina Calder").count() == 1


def test_same_number_of_another_site_is_another_article(take: Taker) -> None:
    take(wordpress(post(7)))
    other = wordpress(post(7, title="Other")).replace(b"https://old.example", b"https://b.example")
    move = take(other)
    assert move.report["taken"] == 1
    assert set(Article.objects.values_list("slug", flat=True)) == {"post-7", "post-7-2"}
    assert move.left_out.get(what="address").title == "Other"


def test_slug_that_is_taken_here_gets_a_number(take: Taker, acme_people: People) -> None:
    here = make_article(acme_people["author"], "A post")
    OldAddress.objects.create(article=here, slug="post-8")
    take(wordpress(POST, post(8), post(9, title="Cat", more="")))
    slugs = set(Article.objects.values_list("slug", flat=True))
    assert slugs == {"a-post", "a-post-2", "post-8-2", "post-9"}


def test_worker_that_was_killed_leaves_whole_articles_and_the_next_goes_on(
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        move = begin(wordpress(*(post(n) for n in range(1, 6))), acme_people["owner"])
    move.refresh_from_db()
    moves.request_take(move=move, by=acme_people["owner"])
    whole = Comment.objects.bulk_create
    asked = iter(range(10))

    def killed(*arguments: Any, **options: Any) -> Any:
        if next(asked) == 2:
            raise SystemExit
        return whole(*arguments, **options)

    # The process ends in the middle of the third article: inside its transaction.
    monkeypatch.setattr(Comment.objects, "bulk_create", killed)
    with pytest.raises(SystemExit):
        moves.take_move(move=Move.objects.get(pk=move.pk))
    monkeypatch.undo()
    assert Article.objects.count() == 2
    assert Move.objects.get().state == MoveState.TAKING
    Move.objects.update(worked_at=timezone.now() - timedelta(hours=1))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.look_after_moves.delay()
    move.refresh_from_db()
    assert (move.state, move.report["taken"]) == (MoveState.DONE, 5)
    assert Article.objects.count() == MovedArticle.objects.count() == 5


def test_what_is_noted_of_an_article_outlives_the_worker_and_is_noted_once(
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_article(acme_people["author"], "Post 1")
    with django_capture_on_commit_callbacks(execute=True):
        move = begin(wordpress(post(1), post(2)), acme_people["editor"])
    move.refresh_from_db()
    moves.request_take(move=move, by=acme_people["editor"])
    whole = Comment.objects.bulk_create
    asked = iter(range(10))

    def killed(*arguments: Any, **options: Any) -> Any:
        if next(asked) == 1:
            raise SystemExit
        return whole(*arguments, **options)

    monkeypatch.setattr(Comment.objects, "bulk_create", killed)
    with pytest.raises(SystemExit):
        moves.take_move(move=Move.objects.get(pk=move.pk))
    monkeypatch.undo()
    with django_capture_on_commit_callbacks(execute=True):
        moves.take_move(move=Move.objects.get(pk=move.pk))
    move.refresh_from_db()
    assert [left.what for left in move.left_out.all()] == ["writer", "address"]
    assert move.report["left_out"] == 2


def test_two_workers_at_once_make_each_article_once(
    take: Taker, acme_people: People, django_capture_on_commit_callbacks: Any
) -> None:
    """The second has read the file before the first was done."""
    by = acme_people["owner"]
    with django_capture_on_commit_callbacks(execute=True):
        move = begin(wordpress(POST), by)
    move.refresh_from_db()
    source = taking.SourceFile(system="wordpress")
    records = list(moves._records(move, source))
    plans = [
        taking.read_plan(records, source, system=move.system, site=move.site) for _ in range(2)
    ]
    notes: list[tuple[str, str, str]] = []
    for plan in plans:
        taking.make_places(plan, records, by=by, note=lambda *note: notes.append(note))
    made = [
        taking.take_article(
            records[0], plan, move=move, by=by, note=lambda *note: notes.append(note)
        )
        for plan in plans
    ]
    assert made[0] is not None
    assert made[1] is None
    assert Article.objects.count() == 1


def test_only_one_file_is_taken_at_a_time(
    take: Taker, acme_people: People, django_capture_on_commit_callbacks: Any
) -> None:
    by = acme_people["owner"]
    with django_capture_on_commit_callbacks(execute=True):
        first, second = begin(wordpress(POST), by), begin(wordpress(post(8)), by)
    for move in (first, second):
        move.refresh_from_db()
    moves.request_take(move=first, by=by)
    with pytest.raises(MoveNotReady, match="Another file"):
        moves.request_take(move=second, by=by)
    with pytest.raises(MoveNotReady, match="only a checked one"):
        moves.request_take(move=first, by=by)


def test_nothing_hostile_of_a_file_reaches_a_page(take: Taker, as_role: LoggedIn) -> None:
    bad = "<script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:alert(1)'>x</a>"
    more = f"""<wp:comment><wp:comment_id>1</wp:comment_id>
      <wp:comment_author><![CDATA[{bad}]]></wp:comment_author>
      <wp:comment_content><![CDATA[{bad}]]></wp:comment_content>
      <wp:comment_approved>1</wp:comment_approved></wp:comment>"""
    take(wordpress(post(1, title=f"=1+1 {bad}", text=bad, more=more)))
    page = as_role("visitor").get("/articles/post-1/").content.decode()
    body = page[page.index("<article") : page.index("</main>")]
    assert "<script>alert" not in body
    assert "onerror" not in body
    assert "javascript:" not in body


def test_long_and_empty_things_fit(take: Taker) -> None:
    move = take(
        wordpress(
            post(1, title="T" * 500),
            post(2, title=" ", text="<p>First words of a text without any title at all here.</p>"),
            post(3, text=""),
        )
    )
    assert move.state == MoveState.DONE
    titles = {article.slug: article.title for article in Article.objects.all()}
    assert len(titles["post-1"]) == 200
    assert titles["post-2"] == "First words of a text without any title …"


# --- Old addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("/2020/01/a-post/", "/2020/01/a-post"),
        ("https://old.example/2020/a", "/2020/a"),
        ("/?p=7", "?p=7"),
        ("/caf%C3%A9/", "/café"),
        ("/", ""),
        ("a\x00b", ""),
        ("/" + "x" * 600, ""),
    ],
)
def test_normal_address(address: str, normal: str) -> None:
    assert normal_address(address) == normal


@pytest.mark.parametrize(
    "address",
    [
        "/2020/01/a-post/",
        "/2020/01/a-post",
        "/2020/01/a-post/?utm_source=x",
        "/?p=7",
        "/?p=7&utm_source=x",
        "/?utm_source=x&p=7",
    ],
)
def test_old_address_leads_to_the_article(take: Taker, as_role: LoggedIn, address: str) -> None:
    take(wordpress(POST))
    response = as_role("visitor").get(address)
    assert response.status_code == 301
    assert response["Location"] == "/articles/a-post/"


def test_old_addresses_of_categories_and_tags_lead_here(take: Taker, as_role: LoggedIn) -> None:
    take(wordpress(POST))
    visitor = as_role("visitor")
    assert visitor.get("/category/local/")["Location"] == "/articles/category/local/"
    assert visitor.get("/tag/caf%C3%A9/")["Location"] == "/articles/tag/cafe/"
    assert visitor.get("/category/news")["Location"] == "/articles/category/news/"


def test_old_address_never_hides_a_page(take: Taker, as_role: LoggedIn) -> None:
    take(wordpress(POST))
    MovedAddress.objects.create(address="/articles", article=Article.objects.get())
    assert as_role("visitor").get("/articles/").status_code == 200


def test_old_address_of_a_draft_leads_nowhere(take: Taker, as_role: LoggedIn) -> None:
    take(wordpress(post(8, status="draft")))
    assert as_role("visitor").get("/2021/05/post-8/").status_code == 404
    assert as_role("visitor").get("/nothing/").status_code == 404
    assert as_role("visitor").post("/2021/05/post-8/").status_code == 404


def test_old_address_of_a_neighbour_leads_nowhere(
    take: Taker, globex: TenantRef, client_of: Any
) -> None:
    take(wordpress(POST))
    assert client_of(globex).get("/2020/01/a-post/").status_code == 404
    assert client_of(globex).get("/?p=7").status_code == 200


def test_links_between_articles_lead_to_where_they_are_now(take: Taker) -> None:
    text = (
        '<a href="https://old.example/2021/05/post-2/#end">two</a> '
        '<a href="http://www.old.example/?p=2">short</a> <a href="/2021/05/post-2">bare</a> '
        '<a href="https://other.example/2021/05/post-2/">other</a> <a href="/about/">about</a>'
    )
    take(wordpress(post(1, text=text), post(2)))
    assert Article.objects.get(slug="post-1").body == (
        "[two](/articles/post-2/#end) [short](/articles/post-2/) [bare](/articles/post-2/) "
        "[other](https://other.example/2021/05/post-2/) [about](https://old.example/about/)"
    )


# --- Pictures ----------------------------------------------------------------------------------------


class Gallery(http.server.BaseHTTPRequestHandler):
    """The site before, as far as its pictures go."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = {"/jug.jpg": drawn(), "/page.jpg": b"<html>No picture</html>"}.get(self.path)
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def gallery() -> Iterator[str]:
    Gallery.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gallery)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def anyone(address: Address) -> bool:
    return True


def with_pictures(take: Taker, *items: str, role: str = "owner") -> Move:
    """A move whose articles are here, and whose pictures are to be fetched."""
    move = take(wordpress(*items), role=role, with_pictures=False)
    Move.objects.filter(pk=move.pk).update(state=MoveState.FETCHING, with_pictures=True)
    move.refresh_from_db()
    return move


def test_pictures_are_fetched_once_and_shown_from_here(take: Taker, gallery: str) -> None:
    text = f'<img src="{gallery}/jug.jpg" alt="A [blue] jug"> and <img src="{gallery}/jug.jpg">'
    move = with_pictures(take, post(1, text=text), post(2, text=text))
    updated_at = Article.objects.get(slug="post-1").updated_at
    assert moves.fetch_pictures(move=move, allow=anyone) is False
    article = Article.objects.get(slug="post-1")
    picture = MovedPicture.objects.get().picture
    assert picture.is_ready
    assert article.body == f"![A \\[blue\\] jug]({picture.url}) and ![]({picture.url})"
    assert article.updated_at == updated_at
    assert default_storage.exists(picture.file_of(picture.width))
    assert Gallery.asked == ["/jug.jpg"]
    move.refresh_from_db()
    assert (move.state, move.report["fetched"]) == (MoveState.DONE, 2)


def test_picture_above_an_article_is_its_cover(take: Taker, gallery: str) -> None:
    attachment = post(
        9, kind="attachment", more=f"<wp:attachment_url>{gallery}/jug.jpg</wp:attachment_url>"
    )
    more = (
        "<wp:postmeta><wp:meta_key>_thumbnail_id</wp:meta_key>"
        "<wp:meta_value>9</wp:meta_value></wp:postmeta>"
    )
    # The picture stands behind the article in the file.
    move = with_pictures(take, post(1, more=more), attachment)
    moves.fetch_pictures(move=move, allow=anyone)
    cover = Article.objects.get().cover
    assert cover is not None
    assert cover.alt == "Post 1"


def test_picture_that_cannot_be_fetched_stays_and_is_named(take: Taker, gallery: str) -> None:
    text = f'<img src="{gallery}/gone.jpg"><img src="{gallery}/page.jpg">'
    move = with_pictures(take, post(1, text=text))
    moves.fetch_pictures(move=move, allow=anyone)
    assert f"{gallery}/gone.jpg" in Article.objects.get().body
    whys = list(move.left_out.filter(what="picture").values_list("why", flat=True))
    assert len(whys) == 2
    assert "answered 404" in whys[0]
    assert "no picture that can be shown" in whys[1]


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:{port}/jug.jpg", "http://169.254.169.254/latest/meta-data/x.jpg"],
)
def test_picture_of_an_inner_host_is_never_asked_for(
    take: Taker, gallery: str, address: str
) -> None:
    url = address.format(port=gallery.rpartition(":")[2])
    move = with_pictures(take, post(1, text=f'<img src="{url}">'))
    moves.fetch_pictures(move=move)
    assert Gallery.asked == []
    assert "is not a public host" in move.left_out.get(what="picture").why
    assert Move.objects.get().state == MoveState.DONE


def test_host_that_does_not_answer_is_left_alone(take: Taker) -> None:
    images = "".join(f'<img src="http://127.0.0.1:1/{n}.jpg">' for n in range(6))
    move = with_pictures(take, post(1, text=images))
    moves.fetch_pictures(move=move, allow=anyone)
    whys = list(move.left_out.filter(what="picture").values_list("why", flat=True))
    assert len(whys) == 6
    assert sum("has not answered before" in why for why in whys) == 3


def test_fetching_goes_on_where_it_was_broken_off(take: Taker, gallery: str) -> None:
    text = f'<img src="{gallery}/jug.jpg">'
    move = with_pictures(take, post(1, text=text), post(2, text=text), post(3, text=text))
    assert moves.fetch_pictures(move=move, allow=anyone, seconds=0) is True
    assert MovedArticle.objects.filter(pictures_done=True).count() == 1
    assert moves.fetch_pictures(move=move, allow=anyone, seconds=0) is True
    assert moves.fetch_pictures(move=move, allow=anyone, seconds=0) is False
    assert Gallery.asked == ["/jug.jpg"]
    assert move.report["looked_at"] == 3


def test_each_picture_is_a_sign_of_life(take: Taker, gallery: str) -> None:
    """One article with many slow pictures must not look as if its worker were lost."""
    move = with_pictures(take, post(1, text=f'<img src="{gallery}/jug.jpg">'))
    before = timezone.now()

    def much_later(address: Address) -> bool:
        Move.objects.update(worked_at=before - timedelta(hours=1))
        return True

    moves.fetch_pictures(move=move, allow=much_later)
    assert Move.objects.get().worked_at >= before


def test_words_that_were_changed_meanwhile_are_kept(
    take: Taker, gallery: str, acme_people: People
) -> None:
    move = with_pictures(take, post(1, text=f'<img src="{gallery}/jug.jpg">'))
    article = Article.objects.get()
    writing.change_article(
        article=article, by=acme_people["owner"], changes={"body": "Quite other words."}
    )
    moves.fetch_pictures(move=move, allow=anyone)
    article.refresh_from_db()
    assert article.body == "Quite other words."


# --- Doors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ALL_ROLES)
def test_who_may_move_in(
    in_acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    allowed = role in {"editor", "admin", "owner"}
    move = Move.objects.create(system="wordpress", file_name="x", file_bytes=1, state="checked")
    client = as_role(role)
    expected = 200 if allowed else 302 if role == "visitor" else 403
    assert client.get("/desk/move-in/").status_code == expected
    assert client.get(f"/desk/move-in/{move.pk}/").status_code == expected
    assert client.get(f"/desk/move-in/{move.pk}/left-out.csv").status_code == expected
    took = client.post(f"/desk/move-in/{move.pk}/take/").status_code
    assert took == (403 if role not in {"visitor"} and not allowed else 302)
    assert (Move.objects.get().state == MoveState.TAKING) is allowed
    if role != "visitor" and not allowed:
        with pytest.raises(NotAllowed):
            begin(wordpress(POST), acme_people[role])


def test_page_takes_a_file_and_shows_what_comes(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    client = as_role("editor")
    file = SimpleUploadedFile("old blog.xml", wordpress(POST, post(8, status="trash")))
    with django_capture_on_commit_callbacks(execute=True):
        sent = client.post("/desk/move-in/", {"file": file, "with_pictures": ""})
    assert sent.status_code == 302
    page = client.get(sent["Location"]).content.decode()
    assert "Take 1 article over" in page
    assert "Ina Calder" in page
    assert "It was in the bin." in page
    inner = client.get(sent["Location"], headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in inner
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{sent['Location']}take/")
    assert "1 article moved in." in client.get(sent["Location"]).content.decode()
    rows = list(
        csv.reader(
            io.StringIO(b"".join(client.get(f"{sent['Location']}left-out.csv")).decode("utf-8-sig"))
        )
    )
    assert rows[0] == ["what", "title", "why"]
    assert ["post", "Post 8", "It was in the bin."] in rows
    assert "old blog.xml" in client.get("/desk/move-in/").content.decode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "The file is empty"), (b"a,b", "neither an export"), (None, "Choose the file")],
)
def test_page_says_at_the_field_what_is_wrong(
    acme: TenantRef, as_role: LoggedIn, content: bytes | None, sentence: str
) -> None:
    data = {} if content is None else {"file": SimpleUploadedFile("x.xml", content)}
    response = as_role("editor").post("/desk/move-in/", data)
    assert response.status_code == 422
    assert sentence in response.content.decode()


def test_page_takes_the_address_of_a_ghost_site(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("editor")
    file = ghost(posts=[GHOST_POST])

    def sent(address: str) -> Any:
        data = {"file": SimpleUploadedFile("x.json", file), "site_address": address}
        return client.post("/desk/move-in/", data)

    refused = sent("ftp://old.example")
    assert refused.status_code == 422
    assert 'id="id_site_address_error"' in refused.content.decode()
    assert sent("old.example/blog").status_code == 302
    with context.run_in(acme):
        assert Move.objects.get().site_address == "https://old.example"


def test_formula_in_a_title_is_not_run_by_a_spreadsheet(acme: TenantRef, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        move = Move.objects.create(system="wordpress", file_name="x", file_bytes=1, state="done")
        LeftOut.objects.create(move=move, what="post", title="=cmd|'/c calc'!A0", why="-")
    lines = b"".join(as_role("editor").get(f"/desk/move-in/{move.pk}/left-out.csv")).decode()
    assert "'=cmd" in lines


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_of_the_pages(
    acme: TenantRef, as_role: LoggedIn, django_assert_num_queries: Any, rows: int
) -> None:
    with context.run_in(acme):
        for number in range(rows):
            move = Move.objects.create(
                system="wordpress", file_name=f"{number}", file_bytes=1, state="done"
            )
            LeftOut.objects.create(move=move, what="post", title="x", why="y")
    client = as_role("editor")
    client.get("/desk/move-in/")
    with django_assert_num_queries(5):
        client.get("/desk/move-in/")
    with django_assert_num_queries(6):
        client.get(f"/desk/move-in/{move.pk}/")


def test_file_that_nobody_takes_is_not_kept(
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        move = begin(wordpress(POST), acme_people["owner"])
    move.refresh_from_db()
    assert default_storage.exists(move.stored)
    Move.objects.update(checked_at=timezone.now() - timedelta(days=8))
    with django_capture_on_commit_callbacks(execute=True):
        assert moves.look_after_moves() == []
    assert not default_storage.exists(move.stored)
    assert Move.objects.get().state == MoveState.REFUSED
