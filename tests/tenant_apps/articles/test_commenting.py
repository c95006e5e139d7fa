from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.articles import commenting, permissions, publishing
from tenant_apps.articles.errors import (
    CommentRefused,
    FormTooFast,
    FormTooOld,
    TooManyComments,
    WrongState,
)
from tenant_apps.articles.models import Article, Comment, CommentState, Visibility
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.articles.test_pages import SAVEPOINT
from tests.tenant_apps.conftest import LoggedIn, People, make_article
from tests.tenant_apps.problems import sentences

JSON = {"content_type": "application/json"}
VISITOR = {"name": "Vera", "email": "vera@example.com"}


def say(article: Article, body: str = "Well said.", by: Any = None, **more: Any) -> Comment:
    details = {"network": "192.0.2.1", **({} if by else VISITOR), **more}
    return commenting.make_comment(article=article, by=by or AnonymousUser(), body=body, **details)


@pytest.fixture
def article(in_acme: TenantRef, acme_people: People) -> Article:
    return make_article(acme_people["author"])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms may be sent at once."""
    monkeypatch.setattr(commenting, "FASTEST", timedelta(seconds=-1))


def test_members_are_shown_at_once_and_visitors_wait(article: Article, acme_people: People) -> None:
    waits = say(article)
    shown = say(article, by=acme_people["member"])
    assert (waits.state, waits.name, waits.author) == (CommentState.PENDING, "Vera", None)
    assert (shown.state, shown.name) == (CommentState.APPROVED, "Member of Acme")
    _, threads = commenting.threads_of(article)
    assert [thread.first for thread in threads] == [shown]


def test_answers_stand_below_what_they_answer(article: Article, acme_people: People) -> None:
    member, editor = acme_people["member"], acme_people["editor"]
    first = say(article, "first", by=member)
    second = say(article, "second", by=editor)
    answer = say(article, "to first", by=editor, answers=first)
    say(article, "to first, later", by=member, answers=first)
    say(article, "to the answer", by=member, answers=answer)
    _, threads = commenting.threads_of(article)
    assert [thread.first for thread in threads] == [first, second]
    assert [(c.body, c.depth) for c in threads[0].answers] == [
        ("to first", 1),
        ("to the answer", 2),
        ("to first, later", 1),
    ]


def test_thread_grows_no_deeper_than_it_is_read(article: Article, acme_people: People) -> None:
    people = [acme_people[role] for role in ("member", "author", "editor")]
    comment = say(article, "0", by=people[0])
    for number in range(1, 7):
        comment = say(article, str(number), by=people[number % 3], answers=comment)
    assert max(Comment.objects.values_list("depth", flat=True)) == commenting.MAX_DEPTH
    _, threads = commenting.threads_of(article)
    assert len(threads[0].answers) == 6


@pytest.mark.parametrize("body", ["", "   \n", "x" * 5001])
def test_words_that_are_none_or_too_many(article: Article, body: str) -> None:
    with pytest.raises(CommentRefused):
        say(article, body)


def test_same_words_once_more_are_refused(article: Article) -> None:
    say(article)
    with pytest.raises(CommentRefused, match="exactly this"):
        say(article)


def test_flood_of_one_sender_is_stopped(article: Article, acme_people: People) -> None:
    for number in range(commenting.MAX_COMMENTS):
        say(article, str(number))
    with pytest.raises(TooManyComments, match="Wait ten minutes"):
        say(article, "one more")
    say(article, "from somewhere else", network="198.51.100.7")
    say(article, "from a member", by=acme_people["member"])
    Comment.objects.update(made_at=timezone.now() - commenting.WINDOW)
    say(article, "ten minutes later")


def test_flood_from_everywhere_ends_where_the_queue_is_full(
    article: Article, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commenting, "MAX_PENDING", 3)
    for number in range(3):
        say(article, str(number), network=f"192.0.2.{number}")
    with pytest.raises(TooManyComments, match="wait for a moderator"):
        say(article, "x", network="198.51.100.7")


def test_answer_to_what_is_not_there(article: Article, acme_people: People) -> None:
    member = acme_people["member"]
    elsewhere = say(make_article(acme_people["author"], "Another"), "x", by=member)
    for parent in (elsewhere, say(article, "waits")):
        with pytest.raises(CommentRefused, match="not there any more"):
            say(article, "y", by=member, answers=parent)


def test_full_thread(
    article: Article, acme_people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commenting, "MAX_REPLIES", 1)
    first = say(article, "1", by=acme_people["member"])
    say(article, "2", by=acme_people["member"], answers=first)
    with pytest.raises(CommentRefused, match="full"):
        say(article, "3", by=acme_people["member"], answers=first)


def test_moderation_is_in_the_trail(article: Article, acme_people: People) -> None:
    comment = say(article)
    commenting.approve_comment(comment=comment, by=acme_people["editor"])
    entry = Entry.objects.about(comment).first()
    assert entry is not None
    assert (entry.verb, entry.changes) == (
        "comment.approved",
        [("state", "pending", "approved")],
    )
    assert (comment.moderated_by, comment.state) == (acme_people["editor"], "approved")


def test_removed_comment_leaves_its_place_where_it_was_answered(
    article: Article, acme_people: People
) -> None:
    member, editor = acme_people["member"], acme_people["editor"]
    first = say(article, "first", by=member)
    answer = say(article, "answer", by=editor, answers=first)
    commenting.remove_comment(comment=first, by=member)
    first.refresh_from_db()
    assert (first.state, first.body, first.email) == (CommentState.REMOVED, "", "")
    with pytest.raises(WrongState):
        commenting.approve_comment(comment=first, by=editor)
    commenting.remove_comment(comment=answer, by=editor)
    assert not Comment.objects.filter(pk=answer.pk).exists()


# --- The form ---------------------------------------------------------------------------------------


def test_form_that_is_sent_faster_than_people_type(article: Article) -> None:
    with pytest.raises(FormTooFast):
        commenting.check_stamp(stamp=commenting.stamp_form(article), article=article)


def test_form_that_is_old_or_somebody_elses(
    article: Article, acme_people: People, globex: TenantRef, patient: None
) -> None:
    stamp = commenting.stamp_form(article)
    commenting.check_stamp(stamp=stamp, article=article)
    other = make_article(acme_people["author"], "Other")
    for wrong in ("", "x", stamp + "x", commenting.stamp_form(other)):
        with pytest.raises(FormTooOld):
            commenting.check_stamp(stamp=wrong, article=article)
    with context.run_in(globex), pytest.raises(FormTooOld):
        commenting.check_stamp(stamp=stamp, article=article)
    with pytest.raises(FormTooOld), pytest.MonkeyPatch.context() as patched:
        patched.setattr(commenting, "FORM_LASTS", timedelta(seconds=-1))
        commenting.check_stamp(stamp=stamp, article=article)
    assert signing.loads(stamp, salt=commenting._salt()) == article.pk.hex


def post(client: Client, article: Article, **data: str) -> Any:
    page = client.get(f"/articles/{article.slug}/")
    stamp = page.context["comment_form"]["stamp"].value()
    return client.post(
        f"/articles/{article.slug}/comments/", {"body": "Words", **VISITOR, "stamp": stamp, **data}
    )


@pytest.fixture
def published(acme: TenantRef, acme_people: People, patient: None) -> Article:
    with context.run_in(acme):
        return make_article(acme_people["author"])


def test_visitor_says_something(
    acme: TenantRef, published: Article, acme_client: Client, as_role: LoggedIn
) -> None:
    answer = post(acme_client, published, body="<script>alert(1)</script> & me")
    assert answer.headers["Location"] == f"/articles/{published.slug}/"
    page = acme_client.get(answer.headers["Location"]).content.decode()
    assert "once a moderator has read it" in page
    assert "alert(1)" not in page
    editor = as_role("editor")
    assert "alert(1)" in editor.get("/desk/comments/").content.decode()
    with context.run_in(acme):
        comment = Comment.objects.get()
    editor.post(f"/desk/comments/{comment.pk}/approve/")
    page = acme_client.get(f"/articles/{published.slug}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; me" in page
    assert "vera@example.com" not in page


def test_program_that_fills_in_everything_is_kept_out(
    acme: TenantRef, published: Article, acme_client: Client
) -> None:
    answer = post(acme_client, published, website="https://buy.example")
    assert answer.status_code == 302
    with context.run_in(acme):
        assert not Comment.objects.exists()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"body": ""}, "body"),
        ({"body": "x" * 5001}, "body"),
        ({"name": ""}, "name"),
        ({"email": "nonsense"}, "email"),
        ({"stamp": "forged"}, "body"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(
    published: Article, acme_client: Client, data: dict[str, str], field: str
) -> None:
    answer = post(acme_client, published, **data)
    assert answer.status_code == 400
    assert field in answer.context["comment_form"].errors


def test_flood_is_stopped_in_page_and_api(
    published: Article, acme_client: Client, as_role: LoggedIn
) -> None:
    for number in range(commenting.MAX_COMMENTS):
        assert post(acme_client, published, body=str(number)).status_code == 302
    refused = post(acme_client, published, body="more")
    assert "Wait ten minutes" in str(refused.context["comment_form"].errors["body"])
    member = as_role("member")
    address = f"/api/v1/articles/{published.pk}/comments/"
    for number in range(commenting.MAX_COMMENTS):
        assert member.post(address, {"body": str(number)}, **JSON).status_code == 201
    stopped = member.post(address, {"body": "more"}, **JSON)
    assert stopped.status_code == 429
    assert "Wait ten minutes" in stopped.json()["detail"]
    assert stopped.headers["Retry-After"] == "600"


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_of_the_comments(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_assert_num_queries: DjangoAssertNumQueries,
    rows: int,
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        for number in range(rows):
            first = say(article, f"{number}", by=acme_people["member"])
            say(article, f"to {number}", by=acme_people["editor"], answers=first)
            say(article, f"waits {number}", network=f"192.0.2.{number}")
    visitor, editor = as_role("visitor"), as_role("editor")
    for client, path, queries in (
        (visitor, f"/articles/{article.slug}/", 8),
        (visitor, f"/api/v1/articles/{article.pk}/comments/", 3),
        # The last is the bell's: who moderates was told of what waits.
        (editor, "/desk/comments/", 4),
        (editor, "/api/v1/comments/", 2),
    ):
        client.get(path)
        with django_assert_num_queries(queries + SAVEPOINT):
            assert client.get(path).status_code == 200


def test_api_lists_answers_and_moderates(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        waits = say(article, "waits")
    member, editor = as_role("member"), as_role("editor")
    address = f"/api/v1/articles/{article.pk}/comments/"
    first = member.post(address, {"body": "first"}, **JSON).json()
    answer = editor.post(address, {"body": "answer", "answers": first["id"]}, **JSON).json()
    assert answer["answers"] == first["id"]
    assert sentences(member.post(address, {"body": ""}, **JSON)).keys() == {"body"}
    listed = as_role("visitor").get(address)
    assert [one["body"] for one in listed.json()["results"]] == ["first", "answer"]
    assert "@" not in listed.content.decode()
    queue = editor.get("/api/v1/comments/").json()["results"]
    assert [(one["body"], one["email"]) for one in queue] == [("waits", "vera@example.com")]
    assert editor.post(f"/api/v1/comments/{waits.pk}/approve/").json()["state"] == "approved"
    assert editor.post(f"/api/v1/comments/{waits.pk}/reject/").json()["state"] == "rejected"
    assert editor.delete(f"/api/v1/comments/{waits.pk}/").status_code == 204


# --- Who may ----------------------------------------------------------------------------------------

ROLES = ["visitor", "member", "author", "editor", "admin", "owner"]
MODERATORS = {"editor", "admin", "owner"}


@pytest.mark.parametrize("role", ROLES)
def test_rules(article: Article, acme_people: People, role: str) -> None:
    person = AnonymousUser() if role == "visitor" else acme_people[role]
    theirs = say(article, "theirs", by=acme_people["member" if role != "member" else "author"])
    assert permissions.can_comment(person, article)
    assert permissions.can_moderate(person) is (role in MODERATORS)
    assert permissions.can_remove_comment(person, theirs) is (role in MODERATORS)
    if role != "visitor":
        assert permissions.can_remove_comment(person, say(article, "own", by=person))
    article.visibility = Visibility.MEMBERS
    assert permissions.can_comment(person, article) is (role != "visitor")
    publishing.archive_article(article=article, by=acme_people["editor"])
    assert not permissions.can_comment(person, article)


@pytest.mark.parametrize("role", ROLES[1:])
def test_verbs_ask_the_rules(article: Article, acme_people: People, role: str) -> None:
    comment = say(article)
    verbs: tuple[Callable[..., Any], ...] = (
        commenting.approve_comment,
        commenting.reject_comment,
        commenting.remove_comment,
    )
    for verb in verbs:
        if role in MODERATORS:
            verb(comment=comment, by=acme_people[role])
        else:
            with pytest.raises(NotAllowed, match="Your role does not let you"):
                verb(comment=comment, by=acme_people[role])


@pytest.mark.parametrize("role", ROLES)
def test_doors_ask_the_rules(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    with context.run_in(acme):
        article = make_article(acme_people["author"])
        comment = say(article)
    client = as_role(role)
    may = role in MODERATORS
    refused = 302 if role == "visitor" else 403
    assert client.get("/desk/comments/").status_code == (200 if may else refused)
    no_entry = 401 if role == "visitor" else 403
    assert client.get("/api/v1/comments/").status_code == (200 if may else no_entry)
    answer = client.post(f"/api/v1/comments/{comment.pk}/approve/")
    assert answer.status_code == (200 if may else 401 if role == "visitor" else 404)
    client.post(f"/desk/comments/{comment.pk}/reject/")
    with context.run_in(acme):
        state = Comment.objects.get().state
    assert state == ("rejected" if may else "pending")
    client.post(
        "/admin/articles/comment/", {"action": "approve", "_selected_action": [str(comment.pk)]}
    )
    with context.run_in(acme):
        assert Comment.objects.get().state == ("approved" if may else "pending")
    client.post(f"/desk/comments/{comment.pk}/remove/")
    with context.run_in(acme):
        assert Comment.objects.exists() is not may
