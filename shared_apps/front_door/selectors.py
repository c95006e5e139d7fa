"""What the front door's pages read."""

from uuid import UUID

from django.http import HttpRequest

from shared_apps.front_door.models import SignUp
from shared_apps.tenants import provisioning
from shared_apps.tenants.provisioning import Progress, ProvisioningNotFound

PENDING_KEY = "sign_up"
VERIFIED_KEY = "verified_sign_up"


def pending_sign_up(request: HttpRequest) -> SignUp | None:
    """The sign-up whose code this browser is to show."""
    key = request.session.get(PENDING_KEY)
    return SignUp.objects.filter(pk=UUID(key)).first() if key else None


def verified_sign_up(request: HttpRequest) -> SignUp | None:
    """The sign-up that this browser has proven to be its own, by the code or the link."""
    key = request.session.get(VERIFIED_KEY)
    return SignUp.objects.filter(pk=UUID(key), verified_at__isnull=False).first() if key else None


def progress_of(sign_up: SignUp) -> Progress | None:
    """How far its workspace is; None where none was asked for."""
    if sign_up.requested_at is None:
        return None
    try:
        return provisioning.progress(sign_up.request_id)
    except ProvisioningNotFound:
        return None
