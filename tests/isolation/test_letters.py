"""Leak list 21: e-mails. Every letter that the apps can send, and nothing of the neighbour in it.

Both tenants have the same people under the same addresses, and each has words of its own in names,
roles and rows. Each letter is sent in both, so that what is looked for could be there.
"""

import email
import email.policy
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import allauth
import pytest
from allauth.account import app_settings as allauth_settings
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django.test.signals import template_rendered
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks as OnCommit

from shared_apps.front_door import finding, signing_up
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import notifications
from tenant_apps.articles import publishing, writing
from tenant_apps.articles.models import Article, DailyViews, Subscriber
from tenant_apps.products import stock, stock_alerts
from tenant_apps.products.models import MovementReason, Product, ProductVariant
from tenant_apps.users import invitations, membership, welcoming
from tenant_apps.users.models import Role, User
from tenant_apps.workspace import daily_report, statistics, takeout
from tenant_apps.workspace.models import OwnChoices, Workspace

PASSWORD = "a long enough passphrase"
# The same person in both.
PAT = "pat@example.com"


@pytest.fixture
def furnished(cast: dict[str, TenantRef], db: None) -> dict[str, TenantRef]:
    """Words of each tenant wherever a letter could take them from."""
    for tenant in cast.values():
        word = f"{tenant.subdomain}-secret"
        with context.run_in(tenant):
            Workspace.objects.update(name=f"{word} workspace", tagline=word, signup_open=True)
            owner = User.objects.get()
            owner.full_name = f"{word} owner"
            owner.save(update_fields=["full_name"])
            role = Role.objects.create(slug=word, name=f"{word} role", permissions=[])
            pat = membership.add_person(
                email=PAT,
                full_name=f"{word} Pat",
                role=role,
                password=PASSWORD,
                email_confirmed=True,
            )
            EmailAddress.objects.create(user=pat, email=f"pat@{word}.example", verified=True)
            article = writing.create_article(title=f"{word} article", body=word, by=owner)
            publishing.publish_article(article=article, by=owner)
    return cast


# --- The letters -----------------------------------------------------------------------------------


def _post(tenant: TenantRef, path: str, data: dict[str, str], *, by: str = "") -> None:
    client = Client(headers={"host": tenant.hostname})
    if by:
        with context.run_in(tenant):
            person = User.objects.get(email=by)
            client.force_login(person, "tenant_apps.users.backends.EmailBackend")
    assert client.post(path, data).status_code == 302, f"{path} refused {data}"


def _invite(tenant: TenantRef) -> None:
    with context.run_in(tenant):
        invitations.invite_person(
            email="guest@example.com",
            role=Role.objects.get(slug=f"{tenant.subdomain}-secret"),
            by=User.objects.owners().get(),
        )


def _welcome(tenant: TenantRef) -> None:
    with context.run_in(tenant):
        welcoming.welcome_person(User.objects.get(email=PAT))


def _reset_password(tenant: TenantRef) -> None:
    _post(tenant, "/account/password/reset/", {"email": PAT})


def _reset_password_of_nobody(tenant: TenantRef) -> None:
    _post(tenant, "/account/password/reset/", {"email": "nobody@example.com"})


def _sign_up_to(tenant: TenantRef, address: str) -> None:
    form = {"email": address, "password1": PASSWORD, "full_name": "Nora"}
    _post(tenant, "/account/signup/", form)


def _sign_up(tenant: TenantRef) -> None:
    _sign_up_to(tenant, "nora@example.com")


def _sign_up_again(tenant: TenantRef) -> None:
    _sign_up_to(tenant, PAT)


def _add_address(tenant: TenantRef) -> None:
    _post(tenant, "/account/email/", {"action_add": "", "email": "second@example.com"}, by=PAT)


def _begin_platform_sign_up(tenant: TenantRef) -> None:
    with context.run_in_public():
        signing_up.begin_sign_up(email=f"owner@{tenant.subdomain}.example")


def _find_workspaces(tenant: TenantRef) -> None:
    with context.run_in_public():
        assert finding.mail_workspaces(f"owner@{tenant.subdomain}.example") == 1


def _take_out(tenant: TenantRef) -> None:
    with context.run_in(tenant):
        takeout.start_takeout(by=User.objects.owners().earliest("joined_at"))


def _subscribe(tenant: TenantRef) -> None:
    client = Client(headers={"host": tenant.hostname})
    assert client.post("/subscription/", {"email": "reader@example.com"}).status_code == 200


def _publish(tenant: TenantRef) -> None:
    with context.run_in(tenant):
        Subscriber.objects.create(
            email="reader@example.com", sender="x", confirmed_at=timezone.now()
        )
        owner = User.objects.owners().earliest("joined_at")
        word = f"{tenant.subdomain}-secret"
        article = writing.create_article(title=f"{word} news", body=word, by=owner)
        publishing.publish_article(article=article, by=owner)


def _fall_low(tenant: TenantRef) -> None:
    with context.run_in(tenant):
        owner = User.objects.owners().earliest("joined_at")
        stock_alerts.watch_stock(by=owner)
        product = Product.objects.create(title=f"{tenant.subdomain}-secret mug", handle="mug")
        variant = ProductVariant.objects.create(
            product=product, price_minor=100, tracks_stock=True, stock_quantity=5, low_stock_at=3
        )
        stock.move_stock(variant=variant, delta=-3, reason=MovementReason.SOLD, by=owner)


def _report(tenant: TenantRef) -> None:
    with context.run_in(tenant):
        # Where it is past seven.
        zone = "UTC" if timezone.now().hour >= daily_report.HOUR else "Etc/GMT-12"
        Workspace.objects.update(time_zone=zone)
        week_ago = timezone.now() - timedelta(days=7)
        OwnChoices.objects.create(person=User.objects.owners().get(), report_since=week_ago)
        article = Article.objects.get()
        day = statistics.today_in(statistics.workspace_zone()) - timedelta(days=1)
        DailyViews.objects.create(article=article, day=day, views=7)
        assert daily_report.send_reports() == 1


def _notify(tenant: TenantRef) -> None:
    with context.run_in(tenant):
        pat = User.objects.select_related("role").get(email=PAT)
        notifications.choose(person=pat, channels={"invitation_accepted": "both"}, daily=False)
        sentence = f"{tenant.subdomain}-secret guest has accepted your invitation."
        notifications.notify("invitation_accepted", sentence=sentence, path="/", to=[pat])


# template of its subject → how it comes to be sent
LETTERS: dict[str, Callable[[TenantRef], None]] = {
    "emails/invitation.subject": _invite,
    "emails/welcome.subject": _welcome,
    "emails/sign_up_code.subject": _begin_platform_sign_up,
    "emails/workspaces.subject": _find_workspaces,
    "emails/take_out.subject": _take_out,
    "emails/subscription.subject": _subscribe,
    "emails/new_article.subject": _publish,
    "emails/low_stock.subject": _fall_low,
    "emails/notifications.subject": _notify,
    "emails/daily_report.subject": _report,
    "account/email/password_reset_key_subject.txt": _reset_password,
    "account/email/unknown_account_subject.txt": _reset_password_of_nobody,
    "account/email/email_confirmation_signup_subject.txt": _sign_up,
    "account/email/account_already_exists_subject.txt": _sign_up_again,
    "account/email/email_confirmation_subject.txt": _add_address,
}
# allauth's letters that nothing here sends: its setting that would → the letters.
SWITCHED_OFF = {
    "LOGIN_BY_CODE_ENABLED": {"account/email/login_code_subject.txt"},
    "PASSWORD_RESET_BY_CODE_ENABLED": {"account/email/password_reset_code_subject.txt"},
    "EMAIL_NOTIFICATIONS": {
        "account/email/email_changed_subject.txt",
        "account/email/email_confirm_subject.txt",
        "account/email/email_deleted_subject.txt",
        "account/email/password_changed_subject.txt",
        "account/email/password_reset_subject.txt",
        "account/email/password_set_subject.txt",
        "mfa/email/recovery_codes_generated_subject.txt",
        "mfa/email/totp_activated_subject.txt",
        "mfa/email/totp_deactivated_subject.txt",
        "mfa/email/webauthn_added_subject.txt",
        "mfa/email/webauthn_removed_subject.txt",
    },
}
# The platform's own; the others are a tenant's.
OF_THE_PLATFORM = ("emails/sign_up_code.subject", "emails/workspaces.subject")


def test_every_letter_is_sent_here_or_by_nobody() -> None:
    folders = [settings.BASE_DIR / "templates", Path(allauth.__file__).parent / "templates"]
    found = {
        str(path.relative_to(folder))
        for folder in folders
        for pattern in ("emails/**/*.subject", "*/email/**/*_subject.txt")
        for path in folder.glob(pattern)
    }
    # Log-in by other sites is not installed.
    assert "allauth.socialaccount" not in settings.INSTALLED_APPS
    found = {name for name in found if not name.startswith("socialaccount/")}
    off = set().union(*SWITCHED_OFF.values())
    assert found == LETTERS.keys() | off, (
        f"Letters without a test: say in LETTERS of {__file__} how each comes to be sent."
    )
    for name in SWITCHED_OFF:
        assert not getattr(allauth_settings, name), f"{name} is on: its letters belong to LETTERS."


# --- What is in them -------------------------------------------------------------------------------


def _sent(letter: str, tenant: TenantRef, on_commit: OnCommit) -> EmailMessage:
    """The letter, sent in this tenant by its own template, with the task that sends it."""
    rendered: list[str] = []

    def note_name(*, template: object, **rest: object) -> None:
        rendered.append(str(getattr(template, "name", "")))

    before = len(mail.outbox)
    template_rendered.connect(note_name)
    try:
        with on_commit(execute=True):
            LETTERS[letter](tenant)
    finally:
        template_rendered.disconnect(note_name)
    assert letter in rendered, f"sent by {rendered}"
    (message,) = mail.outbox[before:]
    return message


def _read(message: EmailMessage) -> str:
    """Envelope, headers and each part, decoded."""
    made = email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)
    parts = [part.get_content() for part in made.walk() if not part.is_multipart()]
    headers = [f"{name}: {value}" for name, value in made.items()]
    return "\n".join([message.from_email, *message.recipients(), *headers, *parts])


def _names_of(tenant: TenantRef) -> list[str]:
    """What belongs to a tenant alone. The subdomain is in its hostname, its name and its secrets."""
    return [tenant.subdomain, tenant.schema_name, str(tenant.uuid), tenant.uuid.hex]


@pytest.mark.parametrize("letter", LETTERS)
def test_letter_has_nothing_of_the_neighbour(
    letter: str,
    furnished: dict[str, TenantRef],
    tasks_at_once: None,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    # Each comes after the other's once, whatever is kept from one letter to the next.
    for home, neighbour in (("acme", "globex"), ("globex", "acme")):
        tenant = furnished[home]
        text = _read(_sent(letter, tenant, django_capture_on_commit_callbacks)).lower()
        hosts = set(re.findall(r"https?://([^/:\s\"'<>]+)", text))
        for name in _names_of(furnished[neighbour]):
            assert name not in text
        assert f"{home}-secret" in text or f"{home}." in text, "the control: it tells its own"
        platform = {settings.TERRACE_BASE_DOMAIN} if letter in OF_THE_PLATFORM else set()
        assert hosts <= {tenant.hostname} | platform
