import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import revising, writing
from tenant_apps.articles.errors import EditConflict, WordsUnmerged
from tenant_apps.articles.models import Article, KeptWords, Revision
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tests.tenant_apps.articles.test_pages import SAVEPOINT
from tests.tenant_apps.conftest import LoggedIn, People, make_article

WORDS = {"title": "T", "excerpt": "", "body": "b", "tags": ""}


def change(article: Article, by: User, **changes: str) -> Article:
    return writing.change_article(article=article, by=by, changes=changes)


def test_each_change_of_words_is_a_revision(in_acme: TenantRef, acme_people: People) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = make_article(author, "One")
    change(article, editor, body="Better")
    change(article, author, slug="another-address")
    change(article, author, title="Two", body="Best")
    seen = [
        (r.number, r.title, r.body, r.saved_by) for r in revising.revisions_of(article).defer(None)
    ]
    assert seen == [
        (4, "Two", "Best", author),
        (2, "One", "Better", editor),
        (1, "One", "**Hot** and slow.", author),
    ]
    at_address_change = revising.words_at(article, 3)
    assert at_address_change is not None
    assert at_address_change.number == 2


def test_words_older_than_revisions_are_kept_at_the_first_change(
    in_acme: TenantRef, acme_people: People
) -> None:
    article = make_article(acme_people["author"])
    Revision.objects.all().delete()
    Article.objects.update(version=7)
    article.refresh_from_db()
    change(article, acme_people["editor"], body="New")
    first, second = Revision.objects.order_by("number")
    assert (first.number, first.body, first.saved_by) == (7, "**Hot** and slow.", None)
    assert (second.number, second.body) == (8, "New")


def test_restored_words_are_a_new_revision(in_acme: TenantRef, acme_people: People) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = make_article(author)
    change(article, author, title="Worse", body="Worse")
    revising.restore_revision(article=article, number=1, by=editor)
    assert Article.objects.get().body == "**Hot** and slow."
    newest = Revision.objects.first()
    assert newest is not None
    assert (newest.number, newest.restored_from, newest.saved_by) == (3, 1, editor)
    assert Revision.objects.filter(body="Worse").exists(), "what was replaced is still there"
    entry = Entry.objects.about(article).first()
    assert entry is not None
    assert entry.verb == "article.restored"


def test_restoring_asks_the_rules(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["editor"])
    with pytest.raises(NotAllowed):
        revising.restore_revision(article=article, number=1, by=acme_people["author"])
    with pytest.raises(Revision.DoesNotExist):
        revising.restore_revision(article=article, number=9, by=acme_people["editor"])


def test_unsaved_words_are_each_writers_own(in_acme: TenantRef, acme_people: People) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = make_article(author)
    for writer in (author, editor, author):
        revising.keep_words(
            article=article, by=writer, base_version=1, **{**WORDS, "body": f"of {writer}"}
        )
    for writer in (author, editor):
        kept = revising.kept_words(article=article, by=writer)
        assert kept is not None
        assert kept.body == f"of {writer}"
    assert KeptWords.objects.count() == 2
    article.refresh_from_db()
    assert article.body == "**Hot** and slow.", "nobody has saved anything"
    with pytest.raises(NotAllowed):
        revising.keep_words(article=article, by=acme_people["member"], base_version=1, **WORDS)
    with pytest.raises(NotAllowed):
        revising.keep_words(article=None, by=acme_people["member"], base_version=0, **WORDS)


def test_words_that_are_saved_are_not_kept(in_acme: TenantRef, acme_people: People) -> None:
    """A keeping that is overtaken by its own save leaves nothing behind."""
    author = acme_people["author"]
    article = make_article(author)
    words = {"title": article.title, "excerpt": "", "body": article.body, "tags": ""}
    revising.keep_words(article=article, by=author, base_version=1, **WORDS)
    assert revising.keep_words(article=article, by=author, base_version=1, **words) is None
    assert not KeptWords.objects.exists()


def merged(article: Article, kept: KeptWords, by: User, **changes: Any) -> Article:
    proposal = revising.propose_merge(article=article, kept=kept)
    values = {
        "version": proposal.version,
        "title": proposal.title,
        "excerpt": proposal.excerpt,
        "body": proposal.body.text,
        "tags": proposal.tags,
    }
    return revising.save_merged(article=article, by=by, **{**values, **changes})


def test_both_writers_words_are_in_what_is_proposed(
    in_acme: TenantRef, acme_people: People
) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = writing.create_article(title="T", body="one\n\ntwo", by=author, tags=["clay"])
    change(article, author, body="ONE\n\ntwo", title="Theirs")
    kept = revising.keep_words(
        article=article,
        by=editor,
        base_version=1,
        title="T",
        excerpt="Mine",
        body="one\n\nTWO",
        tags="glaze, CLAY",
    )
    assert kept is not None
    article = merged(article, kept, editor)
    assert (article.title, article.excerpt, article.body) == ("Theirs", "Mine", "ONE\n\nTWO")
    assert {tag.name for tag in article.tags.all()} == {"clay", "glaze"}
    assert not KeptWords.objects.exists()


def test_marks_are_not_saved(in_acme: TenantRef, acme_people: People) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = writing.create_article(title="T", body="one", by=author)
    change(article, author, body="theirs")
    kept = revising.keep_words(
        article=article, by=editor, base_version=1, **{**WORDS, "body": "mine"}
    )
    assert kept is not None
    with pytest.raises(WordsUnmerged, match="take the marks out"):
        merged(article, kept, editor)
    assert Article.objects.get().body == "theirs"
    merged(article, kept, editor, body="theirs and mine")
    assert Article.objects.get().body == "theirs and mine"


def test_merge_that_is_overtaken_writes_nothing(in_acme: TenantRef, acme_people: People) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = writing.create_article(title="T", body="one", by=author)
    change(article, author, body="two")
    kept = revising.keep_words(article=article, by=editor, base_version=1, **WORDS)
    assert kept is not None
    with pytest.raises(EditConflict):
        merged(article, kept, editor, version=1, body="x")
    assert KeptWords.objects.exists()


# --- Pages ------------------------------------------------------------------------------------------


def test_two_people_save_one_article_at_once(
    cast: dict[str, TenantRef], committing_db: None
) -> None:
    """Two requests on two connections at the same moment: one is saved, the other's words are kept,
    and when the second one has merged, the article holds both."""
    acme = cast["acme"]
    with context.run_in(acme), transaction.atomic():
        owner = User.objects.select_related("role").get(email="owner@acme.example")
        article = writing.create_article(title="T", body="one\n\ntwo\n\nthree", by=owner)
        other = User.objects.create(
            email="second@acme.example", full_name="Second", role=owner.role
        )
    start = threading.Barrier(2)
    answers: dict[str, str] = {}

    def save(person: User, body: str) -> None:
        try:
            client = Client(headers={"host": acme.hostname})
            with context.run_in(acme):
                client.force_login(person, "tenant_apps.users.backends.EmailBackend")
            start.wait(timeout=20)
            answer = client.post(
                f"/desk/{article.pk}/",
                {"title": "T", "body": body, "tags": "", "slug": article.slug, "version": 1},
            )
            answers[str(person.pk)] = answer.headers["Location"]
        finally:
            connection.close()

    threads = [
        threading.Thread(target=save, args=(owner, "ONE\n\ntwo\n\nthree")),
        threading.Thread(target=save, args=(other, "one\n\ntwo\n\nTHREE")),
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert sorted(answers.values()) == [
            f"/desk/{article.pk}/",
            f"/desk/{article.pk}/merge/",
        ]
        with context.run_in(acme):
            kept = KeptWords.objects.select_related("writer__role").get()
            saved = Article.objects.get(pk=article.pk)
            assert {saved.body, kept.body} == {"ONE\n\ntwo\n\nthree", "one\n\ntwo\n\nTHREE"}
            assert answers[str(kept.writer.pk)].endswith("/merge/")
            merged(saved, kept, kept.writer)
            assert Article.objects.get(pk=article.pk).body == "ONE\n\ntwo\n\nTHREE"
    finally:
        with context.run_in(acme), transaction.atomic():
            Article.objects.filter(pk=article.pk).delete()
            User.objects.filter(pk=other.pk).delete()
            Entry.objects.filter(object_id=str(article.pk)).delete()


def test_unsaved_words_survive_a_closed_tab(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    client = as_role("author")
    with context.run_in(acme):
        article = make_article(acme_people["author"])
    answer = client.post(
        f"/desk/{article.pk}/words/", {"title": "T", "body": "Typed and not saved", "version": 1}
    )
    assert answer.json()["kept_at"]
    page = client.get(f"/desk/{article.pk}/").content.decode()
    assert "Typed and not saved" in page
    assert "which were not saved" in page
    assert (
        "Typed and not saved" not in as_role("editor").get(f"/desk/{article.pk}/").content.decode()
    )
    client.post(f"/desk/{article.pk}/", {"title": "T", "body": "Saved", "version": 1})
    assert "which were not saved" not in client.get(f"/desk/{article.pk}/").content.decode()


def test_unsaved_words_of_a_new_article(acme: TenantRef, as_role: LoggedIn) -> None:
    client = as_role("author")
    client.post("/desk/words/", {"title": "Begun", "body": "Half a thought"})
    assert "Half a thought" in client.get("/desk/new/").content.decode()
    client.post("/desk/words/drop/")
    assert "Half a thought" not in client.get("/desk/new/").content.decode()
    client.post("/desk/words/", {"title": "Begun", "body": "Half a thought"})
    client.post("/desk/new/", {"title": "Begun", "body": "A whole one", "tags": ""})
    with context.run_in(acme):
        assert not KeptWords.objects.exists()


@pytest.mark.parametrize("data", [{"title": "x" * 201}, {"version": "-1"}, {"body": "x" * 200_001}])
def test_words_that_cannot_be_kept_are_refused_in_words(
    acme: TenantRef, as_role: LoggedIn, data: dict[str, str]
) -> None:
    answer = as_role("author").post("/desk/words/", data)
    assert answer.status_code == 400
    assert answer.json()["refused"]


@pytest.mark.parametrize("role", ["visitor", "member", "author", "editor"])
def test_history_asks_the_rules(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["editor"])
        change(article, acme_people["editor"], body="New")
    client = as_role(role)
    expected = {"visitor": 302, "editor": 200}.get(role, 404)
    for page in ("history/", "history/1/", "history/2/?against=now"):
        assert client.get(f"/desk/{article.pk}/{page}").status_code == expected, page
    for post in ("words/", "words/drop/", "history/1/restore/"):
        wanted = {200: {200, 302}}.get(expected, {expected})
        assert client.post(f"/desk/{article.pk}/{post}", {"body": "x"}).status_code in wanted, post
    api = f"/api/v1/articles/{article.pk}/revisions/"
    wanted_api = 200 if role == "editor" else 404
    assert client.get(api).status_code == wanted_api
    assert client.get(f"{api}1/").status_code == wanted_api
    assert client.post(f"{api}1/restore/").status_code == (401 if role == "visitor" else wanted_api)


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_of_the_history(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        for number in range(rows - 1):
            change(article, acme_people["author"], body=str(number))
    client = as_role("author")
    for path, queries in (
        (f"/desk/{article.pk}/history/", 4),
        (f"/api/v1/articles/{article.pk}/revisions/", 4),
    ):
        client.get(path)
        with django_assert_num_queries(queries + SAVEPOINT):
            assert client.get(path).status_code == 200


def test_difference_shows_words_as_text(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        change(article, acme_people["author"], body="**Hot** and <script>alert(1)</script>.")
    page = as_role("author").get(f"/desk/{article.pk}/history/2/").content.decode()
    assert "<script>alert(1)" not in page
    assert "<del>slow</del>" in page
    assert "&lt;" in page


def test_merge_page_shows_both_and_saves_both(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = writing.create_article(title="T", body="one\n\ntwo", by=acme_people["author"])
        change(article, acme_people["author"], body="ONE\n\ntwo")
    client = as_role("editor")
    assert client.get(f"/desk/{article.pk}/merge/").status_code == 302, "nothing to merge"
    answer = client.post(
        f"/desk/{article.pk}/", {"title": "T", "body": "one\n\nTWO", "version": 1}, follow=True
    )
    page = answer.content.decode()
    assert "Saved by Author of Acme" in page
    assert "<ins>ONE</ins>" in page
    assert "<ins>TWO</ins>" in page
    form = answer.context["form"]
    answer = client.post(f"/desk/{article.pk}/merge/", form.initial, follow=True)
    assert "Saved, with the words of both." in answer.content.decode()
    with context.run_in(acme):
        assert Article.objects.get().body == "ONE\n\nTWO"


Post = Callable[..., Any]


def test_api_lists_and_restores(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        change(article, acme_people["author"], body="Worse")
    client = as_role("author")
    address = f"/api/v1/articles/{article.pk}/revisions/"
    listed = client.get(address).json()["results"]
    assert [one["number"] for one in listed] == [2, 1]
    assert client.get(f"{address}1/").json()["body"] == "**Hot** and slow."
    assert client.post(f"{address}1/restore/").json()["body"] == "**Hot** and slow."
    assert client.get(f"{address}7/").status_code == 404
