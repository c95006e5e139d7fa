"""The front door's work in the background."""

from datetime import timedelta
from smtplib import SMTPException
from uuid import UUID

from shared_apps.front_door import finding, hand_offs, signing_up
from shared_apps.tenants.tasks import periodic, public_task


@public_task(
    autoretry_for=(SMTPException, OSError), retry_backoff=2, retry_jitter=True, max_retries=5
)
def send_code(sign_up_id: str) -> None:
    """Mail a new code. It is made here, so that it never stands in the queue."""
    signing_up.send_new_code(UUID(sign_up_id))


@public_task(
    atomic=False,
    autoretry_for=(SMTPException, OSError),
    retry_backoff=5,
    retry_jitter=True,
    max_retries=3,
)
def mail_workspaces(email: str) -> None:
    """Mail the list of an address's workspaces."""
    finding.mail_workspaces(email)


@periodic(every=timedelta(hours=1))
@public_task
def forget_old_sign_ups() -> None:
    """Delete what no visitor can come back to."""
    signing_up.forget_old()
    hand_offs.forget_old()
