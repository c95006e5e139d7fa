"""Letters where the mail server is busy or gone."""

from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.users import invitations, tasks
from tenant_apps.users.models import Role, User
from tenant_apps.workspace.models import Workspace
from tests.tenant_apps.conftest import PASSWORD, People
from tests.tenant_apps.users.mail_server import MailServer, mail_server


@pytest.fixture
def busy_server(settings: Settings) -> Iterator[MailServer]:
    """A mail server that sends the first two visits away."""
    with mail_server(refusals=2) as server:
        _send_to(server, settings)
        yield server


def _send_to(server: MailServer, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = ""


def test_invitation_is_tried_again(
    in_acme: TenantRef, acme_people: People, busy_server: MailServer
) -> None:
    invitation = invitations.invite_person(
        email="new@acme.example",
        role=Role.objects.get(slug="author"),
        by=acme_people["owner"],
    )
    tasks.send_invitation_letter.apply(args=[str(invitation.pk)])
    assert busy_server.visits == 3
    (letter,) = busy_server.letters
    assert "To: new@acme.example" in letter


def test_letter_is_tried_again(in_acme: TenantRef, busy_server: MailServer) -> None:
    letter = {"subject": "x", "text": "words", "html": "<p>words</p>", "sender": "a@acme.example"}
    tasks.send_letter.apply(kwargs={**letter, "to": ["b@acme.example"]})
    assert busy_server.visits == 3
    (sent,) = busy_server.letters
    assert "<p>words</p>" in sent


def test_page_works_while_the_mail_server_is_gone(
    acme: TenantRef,
    acme_people: People,
    acme_client: Client,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with mail_server() as gone:
        _send_to(gone, settings)
    with context.run_in(acme):
        Workspace.objects.update(signup_open=True)
    new = {"email": "new@acme.example", "password1": PASSWORD, "full_name": "Nia"}
    with django_capture_on_commit_callbacks() as published:
        answer = acme_client.post("/account/signup/", new)
    assert answer.status_code == 302
    assert len(published) == 1, "the letter with the link to confirm the address"
    with context.run_in(acme):
        assert User.objects.filter(email="new@acme.example").exists()


def test_letter_of_a_tenant_is_sent_in_it(
    acme: TenantRef, globex: TenantRef, acme_people: People, globex_people: People
) -> None:
    with context.run_in(acme):
        invitation = invitations.invite_person(
            email="new@acme.example",
            role=Role.objects.get(slug="author"),
            by=acme_people["owner"],
        )
    with context.run_in(globex):
        result = tasks.send_invitation_letter.apply(args=[str(invitation.pk)])
    assert result.failed(), "globex has no such invitation"
