from uuid import UUID

from shared_apps.tenants.tasks import tenant_task
from tenant_apps.users import invitations
from tenant_apps.users.models import Invitation


@tenant_task
def send_invitation_letter(invitation_id: str) -> None:
    invitation = Invitation.objects.select_related("role", "invited_by").get(pk=UUID(invitation_id))
    invitations.send_letter(invitation=invitation)
