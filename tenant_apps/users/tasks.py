from datetime import timedelta
from smtplib import SMTPException
from typing import Any, Final
from uuid import UUID

from shared_apps.tenants.tasks import periodic, tenant_task
from tenant_apps.users import (
    api_tokens,
    invitations,
    letters,
    password_letters,
    sign_ins,
    welcoming,
)
from tenant_apps.users.models import Invitation, User

# A mail server that is down is tried again for about half an hour.
_TRIES: Final[dict[str, Any]] = {
    "autoretry_for": (SMTPException, OSError),
    "retry_backoff": 5,
    "retry_backoff_max": 600,
    "retry_jitter": False,
    "max_retries": 9,
}


@tenant_task(**_TRIES)
def send_invitation_letter(invitation_id: str) -> None:
    invitation = Invitation.objects.select_related("role", "invited_by").get(pk=UUID(invitation_id))
    invitations.send_letter(invitation=invitation)


@tenant_task(**_TRIES)
def send_letter(*, subject: str, text: str, html: str, sender: str, to: list[str]) -> None:
    letters.send_letter(subject=subject, text=text, html=html, sender=sender, to=to)


@tenant_task(**_TRIES)
def send_password_letters(email: str) -> None:
    password_letters.send_letters(email=email)


@tenant_task(**_TRIES)
def send_welcome_letter(person_id: str) -> None:
    welcoming.send_letter(person=User.objects.select_for_update().get(pk=UUID(person_id)))


@periodic(every=timedelta(days=1))
@tenant_task
def delete_old_sign_ins() -> int:
    return sign_ins.delete_old()


@periodic(every=timedelta(days=1))
@tenant_task
def delete_old_tokens() -> int:
    return api_tokens.delete_old()


@periodic(every=timedelta(days=1))
@tenant_task
def delete_old_invitations() -> int:
    return invitations.delete_old()
