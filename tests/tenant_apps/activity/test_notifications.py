from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries as AssertQueries
from pytest_django import DjangoCaptureOnCommitCallbacks as OnCommit

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import (
    deliveries,
    notification_letters,
    notifications,
    webhooks,
)
from tenant_apps.activity.models import Notification, NotificationChoices
from tenant_apps.activity.notification_kinds import KindUnknown, kinds_for
from tenant_apps.articles import commenting, publishing
from tenant_apps.articles.models import Article
from tenant_apps.products import reviews, stock
from tenant_apps.products.models import MovementReason, ProductVariant
from tenant_apps.users import invitations
from tenant_apps.users.models import Invitation, Role
from tests.conftest import ClientMaker
from tests.tenant_apps.activity.conftest import EndpointMaker
from tests.tenant_apps.activity.receiver import Receiver, allow_loopback
from tests.tenant_apps.conftest import LoggedIn, People, make_article, make_product

JSON: dict[str, Any] = {"content_type": "application/json"}


def _told(kind: str) -> set[str]:
    """Whom there is such a notification for."""
    rows = Notification.objects.filter(kind=kind).select_related("person")
    return {row.person.email.partition("@")[0] for row in rows}


def _tell(people: People, role: str, *, sentence: str = "It has happened.") -> Notification:
    notifications.notify("invitation_accepted", sentence=sentence, path="/", to=[people[role]])
    return Notification.objects.filter(person=people[role]).latest("id")


# --- Who is told of what ---------------------------------------------------------------------------


def test_waiting_comment_is_told_to_moderators(in_acme: TenantRef, acme_people: People) -> None:
    article = make_article(acme_people["author"])
    commenting.make_comment(
        article=article, by=AnonymousUser(), body="Nice", network="x", name="Vera\nVisitor"
    )
    assert _told("comment_waiting") == {"owner", "admin", "editor"}
    assert "Vera Visitor" in Notification.objects.filter(kind="comment_waiting")[0].sentence
    commenting.make_comment(article=article, by=acme_people["member"], body="Yes", network="x")
    assert Notification.objects.filter(kind="comment_waiting").count() == 3


def test_article_on_its_way_is_told_to_editors_and_its_author(
    in_acme: TenantRef, acme_people: People
) -> None:
    author, editor = acme_people["author"], acme_people["editor"]
    article = make_article(author, published=False)
    publishing.submit_article(article=article, by=author)
    assert _told("article_submitted") == {"owner", "admin", "editor"}
    publishing.unpublish_article(article=article, by=editor)
    assert _told("article_returned") == {"author"}
    publishing.publish_article(article=article, by=editor)
    assert _told("article_published") == {"author"}
    # Of one's own doing nobody is told.
    make_article(author)
    assert Notification.objects.filter(kind="article_published").count() == 1


def test_scheduled_article_is_told_to_its_author_when_it_is_out(
    in_acme: TenantRef, acme_people: People
) -> None:
    article = make_article(acme_people["author"], published=False)
    soon = timezone.now() + timedelta(hours=1)
    publishing.schedule_article(article=article, at=soon, by=acme_people["editor"])
    Article.objects.update(scheduled_for=timezone.now() - timedelta(minutes=1))
    publishing.publish_due_articles()
    assert _told("article_published") == {"author"}


def test_shop_is_told_of_reviews_and_low_stock(in_acme: TenantRef, acme_people: People) -> None:
    product = make_product()
    reviews.write_review(product=product, stars=4, text="Good", by=acme_people["member"])
    assert _told("review_waiting") == {"owner", "admin", "editor"}
    ProductVariant.objects.update(tracks_stock=True, stock_quantity=5, low_stock_at=3)
    variant = ProductVariant.objects.get()
    stock.move_stock(
        variant=variant, delta=-3, reason=MovementReason.SOLD, by=acme_people["editor"]
    )
    assert _told("stock_low") == {"owner", "admin", "editor"}


def test_accepted_invitation_is_told_to_who_invited(
    in_acme: TenantRef, acme_people: People, tasks_at_once: None,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        invitations.invite_person(
            email="new@example.com",
            role=Role.objects.get(slug="member"),
            by=acme_people["admin"],
        )
    text = str(mail.outbox[-1].body)
    token = text.split("/invitations/")[1].split("/", maxsplit=1)[0]
    invitations.accept_invitation(token=token, full_name="Nina New", password="a long passphrase")
    assert Invitation.objects.get().accepted_by is not None
    assert _told("invitation_accepted") == {"admin"}


def test_webhook_that_is_given_up_is_told_and_mailed(
    make_endpoint: EndpointMaker,
    receiver: Receiver,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: OnCommit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver.answers = [410]
    endpoint, _ = make_endpoint()
    monkeypatch.setitem(deliveries.deliver_due.__kwdefaults__, "allow", allow_loopback)
    with django_capture_on_commit_callbacks(execute=True):
        webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    assert _told("webhook_off") == {"owner", "admin"}
    assert {message.to[0] for message in mail.outbox} == {
        "owner@acme.example",
        "admin@acme.example",
    }
    assert "410 Gone" in mail.outbox[0].subject


def test_people_who_left_are_not_told(in_acme: TenantRef, acme_people: People) -> None:
    member = acme_people["member"]
    member.is_active = False
    member.save(update_fields=["is_active"])
    told = notifications.notify("invitation_accepted", sentence="x", path="/", to=[member, None])
    assert told == 0
    assert notifications.notify("invitation_accepted", sentence="x", path="/", to=[None]) == 0
    assert not Notification.objects.exists()


@pytest.mark.parametrize("path", ["https://example.com/", "//example.com/", "/\\example.com", ""])
def test_path_out_of_the_workspace_is_refused(
    path: str, in_acme: TenantRef, acme_people: People
) -> None:
    with pytest.raises(ValueError, match="leads out"):
        notifications.notify(
            "invitation_accepted", sentence="x", path=path, to=[acme_people["owner"]]
        )
    with pytest.raises(KindUnknown):
        notifications.notify("invented", sentence="x", path="/", to=[acme_people["owner"]])


@pytest.mark.parametrize("count", [1, 3])
def test_telling_three_costs_as_telling_one(
    count: int,
    in_acme: TenantRef,
    acme_people: People,
    django_assert_num_queries: AssertQueries,
) -> None:
    people = [acme_people[role] for role in ("owner", "admin", "editor")][:count]
    with django_assert_num_queries(4):  # choices, savepoint, rows, release
        notifications.notify("invitation_accepted", sentence="x", path="/", to=people)


# --- As people choose ------------------------------------------------------------------------------


def test_kinds_are_offered_by_what_the_role_grants(in_acme: TenantRef, acme_people: People) -> None:
    def names(role: str) -> set[str]:
        return {kind.name for kind in kinds_for(acme_people[role])}

    assert names("member") == {"invitation_accepted"}
    assert {"comment_waiting", "review_waiting"} <= names("editor")
    assert "webhook_off" not in names("editor")
    assert {"webhook_off", "take_out_ended"} <= names("admin")
    with pytest.raises(notifications.ChoiceUnknown):
        notifications.choose(
            person=acme_people["member"], channels={"webhook_off": "mail"}, daily=False
        )
    with pytest.raises(notifications.ChoiceUnknown):
        notifications.choose(
            person=acme_people["member"], channels={"invitation_accepted": "fax"}, daily=False
        )


@pytest.mark.parametrize(
    ("channel", "in_page", "mails"),
    [("page", 1, 0), ("mail", 0, 1), ("both", 1, 1), ("none", 0, 0)],
)
def test_each_is_told_as_chosen(
    channel: str,
    in_page: int,
    mails: int,
    in_acme: TenantRef,
    acme_people: People,
    tasks_at_once: None,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    member = acme_people["member"]
    notifications.choose(person=member, channels={"invitation_accepted": channel}, daily=False)
    with django_capture_on_commit_callbacks(execute=True):
        notifications.notify(
            "invitation_accepted", sentence="Nina has joined.", path="/x/", to=[member]
        )
    assert Notification.objects.shown_to(member).count() == in_page
    assert notifications.unread_count(member) == in_page
    assert len(mail.outbox) == mails
    # Sent once.
    assert notification_letters.mail_waiting(person_id=member.pk) == 0
    if mails:
        (letter,) = mail.outbox
        assert letter.to == ["member@acme.example"]
        assert letter.subject == "Acme: Nina has joined."
        assert "http://acme.localhost:8000/x/" in str(letter.body)
        assert letter.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_daily_mails_come_at_seven_in_one_letter(
    in_acme: TenantRef, acme_people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = acme_people["member"]
    member.time_zone = "Asia/Tokyo"
    member.save(update_fields=["time_zone"])
    notifications.choose(person=member, channels={"invitation_accepted": "mail"}, daily=True)
    for number in range(3):
        _tell(acme_people, "member", sentence=f"Number {number}")
    now = datetime(2026, 11, 25, 21, 30, tzinfo=UTC)  # half past six in Tokyo
    monkeypatch.setattr(timezone, "now", lambda: now)
    assert notification_letters.people_due() == []
    assert notification_letters.mail_waiting(person_id=member.pk) == 0
    now += timedelta(minutes=31)
    assert notification_letters.people_due() == [member.pk]
    assert notification_letters.mail_waiting(person_id=member.pk) == 3
    (letter,) = mail.outbox
    assert "3 things" in letter.subject
    assert "Number 2" in str(letter.body)
    _tell(acme_people, "member")
    now += timedelta(hours=2)
    assert notification_letters.people_due() == []
    now += timedelta(hours=22)
    assert notification_letters.people_due() == [member.pk]


def test_letter_that_no_task_has_sent_is_sent_by_the_timetable(
    in_acme: TenantRef, acme_people: People
) -> None:
    member = acme_people["member"]
    notifications.choose(person=member, channels={"invitation_accepted": "mail"}, daily=False)
    row = _tell(acme_people, "member")
    assert notification_letters.people_due() == []
    Notification.objects.filter(pk=row.pk).update(made_at=timezone.now() - timedelta(hours=1))
    assert notification_letters.people_due() == [member.pk]


def test_one_click_ends_the_mails(
    acme: TenantRef, globex: TenantRef, acme_people: People, client_of: ClientMaker
) -> None:
    member = acme_people["member"]
    with context.run_in(acme):
        choices = {"invitation_accepted": "mail"}
        notifications.choose(person=member, channels=choices, daily=True)
        _tell(acme_people, "member")
        token = notifications.leave_token(member.pk)
    address = f"/account/notifications/no-mails/{token}/"
    mail_program = Client(headers={"host": acme.hostname}, enforce_csrf_checks=True)
    assert mail_program.get(address).status_code == 200
    with context.run_in(acme):
        kept = NotificationChoices.objects.get().channels
        assert kept["invitation_accepted"] == "mail", "opening the link changes nothing"
    assert client_of(globex).post(address).status_code == 404, "the neighbour knows no such token"
    done = mail_program.post(address, {"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    with context.run_in(acme):
        kept = NotificationChoices.objects.get().channels
        assert kept["invitation_accepted"] == "page"
        row = Notification.objects.get()
        assert (row.mail, row.is_shown) == ("", True), "what waited is in the page"
    assert mail_program.get(f"{address[:-2]}x/").status_code == 404


# --- Pages and programs ----------------------------------------------------------------------------


def test_bell_counts_what_is_unread(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    member = as_role("member")
    assert "bell__count" not in member.get("/").content.decode()
    with context.run_in(acme):
        row = _tell(acme_people, "member")
        # As the commit would: the test's own transaction has no end.
        notifications.live.poke_now(acme_people["member"].pk)
    page = member.get("/account/notifications/bell/").content.decode()
    assert "1 unread" in page
    assert "It has happened." in member.get("/account/notifications/").content.decode()
    opened = member.get(f"/account/notifications/{row.pk}/")
    assert (opened.status_code, opened.headers["Location"]) == (302, "/")
    with context.run_in(acme):
        row.refresh_from_db()
        assert row.read_at is not None
        _tell(acme_people, "member")
    assert member.post("/account/notifications/read/").status_code == 302
    with context.run_in(acme):
        assert notifications.unread_count(acme_people["member"]) == 0


def test_strangers_page_has_no_bell(as_role: LoggedIn) -> None:
    assert 'id="bell"' not in as_role("visitor").get("/").content.decode()


def test_unread_count_is_kept_until_something_changes(
    in_acme: TenantRef,
    acme_people: People,
    django_capture_on_commit_callbacks: OnCommit,
    django_assert_num_queries: AssertQueries,
) -> None:
    member = acme_people["member"]
    assert notifications.unread_count(member) == 0
    with django_assert_num_queries(0):
        assert notifications.unread_count(member) == 0
    with django_capture_on_commit_callbacks(execute=True):
        row = _tell(acme_people, "member")
        assert notifications.unread_count(member) == 1, "seen by who writes, before the commit"
    assert notifications.unread_count(member) == 1
    with django_capture_on_commit_callbacks(execute=True):
        notifications.mark_read(notification=row)
    assert notifications.unread_count(member) == 0


def test_others_notification_is_nobodys(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    with context.run_in(acme):
        row = _tell(acme_people, "member")
    for client in (as_role("owner"), as_role("editor")):
        assert client.get(f"/account/notifications/{row.pk}/").status_code == 404
        assert client.post(f"/account/notifications/{row.pk}/read/").status_code == 404
        read = client.post(f"/api/v1/me/notifications/{row.pk}/read/", **JSON)
        assert read.status_code == 404
        assert client.get("/api/v1/me/notifications/").json()["results"] == []
    with context.run_in(acme):
        row.refresh_from_db()
        assert row.read_at is None


def test_program_reads_and_marks(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    member = as_role("member")
    with context.run_in(acme):
        rows = [_tell(acme_people, "member", sentence=f"Number {n}") for n in range(3)]
    told = member.get("/api/v1/me/notifications/").json()["results"]
    assert [one["sentence"] for one in told] == ["Number 2", "Number 1", "Number 0"]
    read = member.post(f"/api/v1/me/notifications/{rows[0].pk}/read/", **JSON)
    assert read.json()["read_at"] is not None
    unread = member.get("/api/v1/me/notifications/?unread=true").json()["results"]
    assert len(unread) == 2
    assert member.post("/api/v1/me/notifications/read/", **JSON).json() == {"read": 2}
    assert as_role("visitor").get("/api/v1/me/notifications/").status_code == 401


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    # The page's last one is the bell's: what the test has written is not kept yet.
    ("address", "queries"),
    [("/account/notifications/", 6), ("/api/v1/me/notifications/", 4)],
)
def test_lists_ask_as_often_for_three_as_for_one(
    address: str,
    queries: int,
    count: int,
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    django_assert_num_queries: AssertQueries,
) -> None:
    member = as_role("member")
    with context.run_in(acme):
        for _ in range(count):
            _tell(acme_people, "member")
    member.get("/account/")
    with django_assert_num_queries(queries):
        member.get(address)


def test_choices_are_made_in_the_page(
    acme: TenantRef, acme_people: People, as_role: LoggedIn
) -> None:
    member = as_role("member")
    address = "/account/notifications/choices/"
    assert "Somebody accepted your invitation" in member.get(address).content.decode()
    assert member.post(address, {"invitation_accepted": "fax", "daily": "0"}).status_code == 400
    chosen = {"invitation_accepted": "both", "daily": "1"}
    assert member.post(address, chosen).status_code == 302
    with context.run_in(acme):
        row = NotificationChoices.objects.get()
        assert (row.person, row.daily) == (acme_people["member"], True)
        assert row.channels == {"invitation_accepted": "both"}


def test_old_ones_are_deleted(in_acme: TenantRef, acme_people: People) -> None:
    old, new = _tell(acme_people, "member"), _tell(acme_people, "member")
    long_ago = timezone.now() - notifications.KEPT_FOR - timedelta(hours=1)
    Notification.objects.filter(pk=old.pk).update(made_at=long_ago)
    assert notifications.tidy_notifications() == 1
    assert Notification.objects.get() == new
