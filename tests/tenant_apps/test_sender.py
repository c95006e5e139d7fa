"""Whom a tenant's letters come from."""

from email.message import EmailMessage

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from pytest_django import DjangoCaptureOnCommitCallbacks as OnCommit

from shared_apps.tenants.context import TenantRef
from tenant_apps.sender import from_header
from tenant_apps.users import welcoming
from tenant_apps.workspace import configuration
from tests.tenant_apps.conftest import People


def sent(people: People) -> EmailMessage:
    people["member"].welcomed_at = None
    welcoming.send_letter(person=people["member"])
    return mail.outbox[-1].message()  # type: ignore[return-value]


def test_letter_comes_from_the_workspace_at_the_platforms_address(
    in_acme: TenantRef,
    acme_people: People,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    before = sent(acme_people)
    assert before["From"] == "Acme <hello@localhost>"
    assert before["Reply-To"] is None
    with django_capture_on_commit_callbacks(execute=True):
        configuration.change_settings(
            changes={
                "mail_from_name": 'Olga "O" Owner, Acme',
                "mail_reply_to": "olga@acme.example",
            },
            by=acme_people["owner"],
        )
    after = sent(acme_people)
    assert after["From"] == '"Olga \\"O\\" Owner, Acme" <hello@localhost>'
    assert after["Reply-To"] == "olga@acme.example"


@pytest.mark.parametrize(
    "changes",
    [
        {"mail_from_name": "Acme\r\nBcc: all@example.com"},
        {"mail_from_name": "Acme\nX: y"},
        {"mail_from_name": "Acme\u2028X"},
        {"mail_from_name": "Acme\x00"},
        {"mail_from_name": "x" * 65},
        {"mail_reply_to": "a@example.com\nBcc: b@example.com"},
        {"mail_reply_to": "no address"},
    ],
)
def test_sender_that_cannot_be(
    in_acme: TenantRef, acme_people: People, changes: dict[str, str]
) -> None:
    with pytest.raises(ValidationError):
        configuration.change_settings(changes=changes, by=acme_people["owner"])


def test_row_that_was_changed_past_the_verb_ends_no_header(in_acme: TenantRef) -> None:
    from tenant_apps.workspace.models import Workspace

    Workspace.objects.update(mail_from_name="Acme\r\nBcc: all@example.com")
    assert "\n" not in from_header()
