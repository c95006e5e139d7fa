"""From the public host into a tenant without a second log-in, by a token that works once.

The token is 32 random bytes. The public schema keeps its SHA-256, the tenant and the person it is
for; it lives 60 seconds. A cookie could not do this: cookies here never leave their host.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.apps import apps
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import HandOffExpired, HandOffInvalid, HandOffUsed

if TYPE_CHECKING:
    from shared_apps.front_door.models import HandOff

LIFE: Final = timedelta(seconds=60)


def issue_hand_off(tenant: TenantRef, user_id: UUID | int | str) -> str:
    """A token that signs this person in at this tenant, once, within 60 seconds.

    Args:
        user_id: the person's primary key in the tenant's schema.
    Returns:
        43 characters, safe in a URL. It is kept nowhere: hand it to the person's browser at once.
    Runs in: the public schema, whatever is set.
    """
    token = secrets.token_urlsafe(32)
    with context.run_in_public():
        _hand_offs().objects.create(
            tenant_id=tenant.id,
            user_key=str(user_id),
            token_hash=_hash(token),
            expires_at=timezone.now() + LIFE,
        )
    return token


def consume_hand_off(token: str, tenant: TenantRef) -> str:
    """The key of the person whom the token signs in here. It is worth nothing afterwards.

    Raises:
        HandOffInvalid: no such token, or it is another tenant's.
        HandOffUsed: it was used before.
        HandOffExpired: it is older than 60 seconds.
    Runs in: the public schema, whatever is set. Of two requests with one token, one gets through.
    """
    now = timezone.now()
    with context.run_in_public():
        mine = _hand_offs().objects.filter(token_hash=_hash(token), tenant_id=tenant.id)
        if mine.filter(used_at=None, expires_at__gt=now).update(used_at=now):
            return mine.get().user_key
        hand_off = mine.first()
    if hand_off is None:
        raise HandOffInvalid("This link is not one of ours. Log in with your e-mail address.")
    if hand_off.used_at:
        raise HandOffUsed("This link was used before and works once only. Log in instead.")
    raise HandOffExpired("This link has expired: it works for one minute. Log in instead.")


def _hand_offs() -> "type[HandOff]":
    model: type[HandOff] = apps.get_model("front_door", "HandOff")
    return model


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
