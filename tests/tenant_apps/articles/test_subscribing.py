import re
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.registry import clone_rules
from tenant_apps.articles import permissions, publishing, subscribing, writing
from tenant_apps.articles.errors import SubscriptionInvalid, TooManySubscriptions
from tenant_apps.articles.models import Announcement, Article, Delivery, Subscriber, Visibility
from tenant_apps.articles.tasks import deliver_announcement, look_after_announcements
from tenant_apps.users.errors import NotAllowed
from tests.tenant_apps.conftest import LoggedIn, People, make_article

EMAIL = "reader@example.com"


def subscribe(email: str = EMAIL) -> Subscriber:
    return Subscriber.objects.create(email=email, sender="x", confirmed_at=timezone.now())


@pytest.fixture
def commits(
    tasks_at_once: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> DjangoCaptureOnCommitCallbacks:
    """`with commits(execute=True):` does what was put off, and its tasks, at its end."""
    return django_capture_on_commit_callbacks


# --- Asking, confirming, leaving --------------------------------------------------------------------


def test_address_is_a_subscriber_once_it_has_said_yes(
    acme: TenantRef, acme_client: Client, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    with commits(execute=True):
        answer = acme_client.post("/subscription/", {"email": "Reader@Example.com"})
    assert "Look into your mailbox" in answer.content.decode()
    (letter,) = mail.outbox
    assert letter.to == [EMAIL]
    link = re.search(r"http://acme\.localhost:\d+(\S+/confirm/)", str(letter.body))
    assert link is not None
    page = acme_client.get(link[1])
    assert "Yes, write to me" in page.content.decode()
    with context.run_in(acme):
        assert not Subscriber.objects.confirmed().exists(), "opening the link says nothing"
    assert "Welcome" in acme_client.post(link[1]).content.decode()
    with context.run_in(acme):
        assert [one.email for one in Subscriber.objects.confirmed()] == [EMAIL]


def test_answer_tells_nobody_who_subscribes(
    acme: TenantRef, acme_client: Client, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    with context.run_in(acme):
        subscribe()
    with commits(execute=True):
        known = acme_client.post("/subscription/", {"email": EMAIL})
        unknown = acme_client.post("/subscription/", {"email": "other@example.com"})
    tidy = re.compile(rb'value="[^"]{64}"')
    assert tidy.sub(b"", known.content) == tidy.sub(b"", unknown.content)
    assert [letter.to for letter in mail.outbox] == [["other@example.com"]]


def test_one_letter_to_one_address_however_often_it_is_asked_for(
    in_acme: TenantRef, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    with commits(execute=True):
        for _ in range(3):
            subscribing.ask_for_letters(email=EMAIL, network="192.0.2.1")
    assert len(mail.outbox) == 1
    Subscriber.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    with commits(execute=True):
        subscribing.ask_for_letters(email=EMAIL, network="192.0.2.1")
    assert len(mail.outbox) == 2


def test_flood_of_addresses_is_stopped(acme: TenantRef, acme_client: Client) -> None:
    for number in range(subscribing.MAX_FROM_ONE_NETWORK):
        assert (
            acme_client.post("/subscription/", {"email": f"{number}@example.com"}).status_code
            == 200
        )
    refused = acme_client.post("/subscription/", {"email": "more@example.com"})
    assert refused.status_code == 400
    assert "Wait ten minutes" in refused.content.decode()
    with context.run_in(acme), pytest.raises(TooManySubscriptions):
        subscribing.ask_for_letters(email="x@example.com", network="127.0.0.1")


@pytest.mark.parametrize(
    "email", ["", "nonsense", "a@b", "x" * 250 + "@example.com", "a@b.c\nBcc: d@e.f"]
)
def test_address_that_is_none(acme_client: Client, email: str) -> None:
    answer = acme_client.post("/subscription/", {"email": email})
    assert answer.status_code == 400
    assert "email" in answer.context["form"].errors


def test_program_is_told_what_people_are_told(acme: TenantRef, acme_client: Client) -> None:
    answer = acme_client.post("/subscription/", {"email": EMAIL, "website": "x"})
    assert "Look into your mailbox" in answer.content.decode()
    with context.run_in(acme):
        assert not Subscriber.objects.exists()


@pytest.mark.parametrize("token", ["nonsense", "x" * 500])
def test_link_that_belongs_to_nobody(acme_client: Client, token: str) -> None:
    for step in ("confirm", "leave"):
        for ask in (acme_client.get, acme_client.post):
            answer = ask(f"/subscription/{token}/{step}/")
            assert answer.status_code == 404
            assert "This link" in answer.content.decode()


def test_old_letter_confirms_nothing(in_acme: TenantRef) -> None:
    subscriber = Subscriber.objects.create(email=EMAIL, sender="x")
    subscribing.send_confirmation(subscriber=subscriber)
    token = re.search(r"/subscription/([^/]+)/confirm", str(mail.outbox[0].body))
    assert token is not None
    Subscriber.objects.update(asked_at=timezone.now() - subscribing.VALID_FOR)
    with pytest.raises(SubscriptionInvalid):
        subscribing.confirm_subscription(token=token[1])
    assert subscribing.forget_unconfirmed() == 1
    assert not Subscriber.objects.exists()


def test_token_of_one_workspace_is_none_in_another(
    acme: TenantRef, globex: TenantRef, globex_client: Client
) -> None:
    with context.run_in(acme):
        token = subscribing.leave_token(subscribe())
    with context.run_in(globex):
        subscribe()
    assert globex_client.post(f"/subscription/{token}/leave/").status_code == 404
    for tenant in (acme, globex):
        with context.run_in(tenant):
            assert Subscriber.objects.count() == 1


def test_mail_program_leaves_with_one_click(acme: TenantRef) -> None:
    """RFC 8058 section 3.1: a POST with this body, without cookies, and nothing else to do."""
    with context.run_in(acme):
        token = subscribing.leave_token(subscribe())
    client = Client(headers={"host": acme.hostname}, enforce_csrf_checks=True)
    path = f"/subscription/{token}/leave/"
    assert "forgets your address" in client.get(path).content.decode()
    with context.run_in(acme):
        assert Subscriber.objects.exists(), "looking is not leaving"
    for _ in range(2):
        answer = client.post(path, {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
    with context.run_in(acme):
        assert not Subscriber.objects.exists()


# --- Letters about articles -------------------------------------------------------------------------


def test_each_subscriber_gets_one_letter_about_an_article(
    in_acme: TenantRef, acme_people: People, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    for number in range(3):
        subscribe(f"{number}@example.com")
    Subscriber.objects.create(email="unconfirmed@example.com", sender="x")
    editor = acme_people["editor"]
    with commits(execute=True):
        article = make_article(editor)
    assert sorted(letter.to[0] for letter in mail.outbox) == [f"{n}@example.com" for n in range(3)]
    with commits(execute=True):
        publishing.archive_article(article=article, by=editor)
        publishing.publish_article(article=article, by=editor)
        look_after_announcements()
        deliver_announcement(Announcement.objects.get().pk)
    assert len(mail.outbox) == 3, "an article is told once"
    assert Delivery.objects.filter(sent_at__isnull=False).count() == 3
    assert Announcement.objects.get().finished_at is not None


def test_letter_says_how_to_leave(
    in_acme: TenantRef, acme_people: People, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    subscriber = subscribe()
    with commits(execute=True):
        make_article(acme_people["editor"], "On clay & <b>glaze</b>")
    (letter,) = mail.outbox
    headers = dict(letter.message().items())
    link = headers["List-Unsubscribe"].strip("<>")
    assert (
        link.endswith(f"/subscription/{subscribing.leave_token(subscriber)}/leave/")
        or "/leave/" in link
    )
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter.subject == "On clay & <b>glaze</b>"
    assert link in str(letter.body)
    assert isinstance(letter, EmailMultiAlternatives)
    html = str(letter.alternatives[0].content)
    assert "On clay &amp; &lt;b&gt;glaze&lt;/b&gt;" in html
    assert "<b>glaze" not in html


def test_members_article_is_told_to_members_alone(
    in_acme: TenantRef, acme_people: People, commits: DjangoCaptureOnCommitCallbacks
) -> None:
    subscribe("stranger@example.com")
    subscribe("member@acme.example")
    with commits(execute=True):
        article = writing.create_article(
            title="T", body="x", by=acme_people["editor"], visibility=Visibility.MEMBERS
        )
        publishing.publish_article(article=article, by=acme_people["editor"])
    assert [letter.to for letter in mail.outbox] == [["member@acme.example"]]


def test_article_that_was_taken_back_is_told_to_nobody(
    in_acme: TenantRef, acme_people: People
) -> None:
    subscribe()
    editor = acme_people["editor"]
    article = make_article(editor)
    publishing.unpublish_article(article=article, by=editor)
    assert subscribing.deliver(announcement_id=Announcement.objects.get().pk) == 0
    assert mail.outbox == []


def test_many_letters_are_sent_some_at_a_time(in_acme: TenantRef, acme_people: People) -> None:
    for number in range(5):
        subscribe(f"{number}@example.com")
    make_article(acme_people["editor"])
    key = Announcement.objects.get().pk
    assert [subscribing.deliver(announcement_id=key, limit=2) for _ in range(4)] == [3, 1, 0, 0]
    assert len({letter.to[0] for letter in mail.outbox}) == len(mail.outbox) == 5


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """Errors by address, which the mail server answers with in the place of taking the letter."""
    errors: dict[str, Exception] = {}
    real = EmailMultiAlternatives.send

    def send(self: EmailMultiAlternatives, fail_silently: bool = False) -> int:
        if self.to[0] in errors:
            raise errors[self.to[0]]
        return real(self, fail_silently)

    monkeypatch.setattr(EmailMultiAlternatives, "send", send)
    return errors


def test_letter_that_is_refused_stops_no_other(
    in_acme: TenantRef, acme_people: People, failing: dict[str, Exception]
) -> None:
    for number in range(3):
        subscribe(f"{number}@example.com")
    failing["0@example.com"] = SMTPRecipientsRefused({"0@example.com": (550, b"unknown")})
    make_article(acme_people["editor"])
    key = Announcement.objects.get().pk
    for _ in range(subscribing.MAX_REFUSALS):
        assert Announcement.objects.get().finished_at is None
        assert subscribing.deliver(announcement_id=key) == 0
    assert len(mail.outbox) == 2
    assert Announcement.objects.get().finished_at is not None, "it is given up"


def test_letters_wait_for_a_mail_server_that_is_away(
    in_acme: TenantRef, acme_people: People, failing: dict[str, Exception]
) -> None:
    for number in range(3):
        subscribe(f"{number}@example.com")
    make_article(acme_people["editor"])
    key = Announcement.objects.get().pk
    failing["1@example.com"] = SMTPServerDisconnected("gone")
    with pytest.raises(SMTPServerDisconnected):
        subscribing.deliver(announcement_id=key)
    failing.clear()
    assert subscribing.deliver(announcement_id=key) == 0
    assert sorted(letter.to[0] for letter in mail.outbox) == [f"{n}@example.com" for n in range(3)]


def test_worker_that_dies_sends_no_letter_twice(
    in_acme: TenantRef, acme_people: People, failing: dict[str, Exception]
) -> None:
    subscribe()
    make_article(acme_people["editor"])
    key = Announcement.objects.get().pk
    failing[EMAIL] = KeyboardInterrupt("killed")  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        subscribing.deliver(announcement_id=key)
    failing.clear()
    assert subscribing.deliver(announcement_id=key) == 0
    assert mail.outbox == [], "whether it was sent nobody knows: it is not sent again"


def test_copy_of_a_workspace_writes_to_nobody() -> None:
    never = set(clone_rules().never)
    assert {"articles_subscriber", "articles_announcement", "articles_delivery"} <= never


# --- Who may ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["visitor", "member", "author", "editor", "admin", "owner"])
def test_subscribers_are_seen_by_those_who_manage_them(
    acme: TenantRef, acme_people: People, as_role: LoggedIn, role: str
) -> None:
    may = role in {"admin", "owner"}
    with context.run_in(acme):
        subscriber = subscribe()
        if role != "visitor":
            assert permissions.can_manage_subscribers(acme_people[role]) is may
            if not may:
                with pytest.raises(NotAllowed):
                    subscribing.remove_subscriber(subscriber=subscriber, by=acme_people[role])
    client = as_role(role)
    page = client.get("/admin/articles/subscriber/")
    assert (EMAIL in page.content.decode()) is may
    client.post(f"/admin/articles/subscriber/{subscriber.pk}/delete/", {"post": "yes"})
    with context.run_in(acme):
        assert Subscriber.objects.exists() is not may


def test_article_that_was_scheduled_is_told_too(in_acme: TenantRef, acme_people: People) -> None:

    subscribe()
    article = make_article(acme_people["editor"], published=False)
    now = timezone.now()
    Article.objects.filter(pk=article.pk).update(
        state="scheduled", scheduled_for=now, scheduled_by=acme_people["editor"]
    )
    assert publishing.publish_due_articles() == 1
    assert Announcement.objects.get().article == article
