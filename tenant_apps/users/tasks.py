from smtplib import SMTPException
from uuid import UUID

from shared_apps.tenants.tasks import tenant_task
from tenant_apps.users import invitations, password_letters
from tenant_apps.users.models import Invitation


@tenant_task
def send_invitation_letter(invitation_id: str) -> None:
    invitation = Invitation.objects.select_related("role", "invited_by").get(pk=UUID(invitation_id))
    invitations.send_letter(invitation=invitation)


@tenant_task(
    autoretry_for=(SMTPException, OSError), retry_backoff=2, retry_jitter=True, max_retries=5
)
def send_password_letters(email: str) -> None:
    password_letters.send_letters(email=email)
