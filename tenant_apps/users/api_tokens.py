"""Tokens that people give to their programs. Each verb runs in the tenant's schema.

    terrace_<the workspace's uuid>_<prefix>_<secret>

The uuid says whose the token is, so that another workspace refuses it by name; the prefix finds the
row; the secret has 256 random bits, so a plain SHA-256 of it can't be guessed back.
"""

import hashlib
import secrets
import string
from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from shared_apps.tenants.context import TenantRef, require_tenant
from tenant_apps.activity import trail
from tenant_apps.users.errors import (
    MembershipError,
    TokenExpired,
    TokenInvalid,
    TokenOfAnotherWorkspace,
    TokenRevoked,
)
from tenant_apps.users.models import ApiToken, User
from tenant_apps.users.roles import require_may_give
from tenant_apps.users.scopes import check_scopes

BEGINS_WITH: Final = "terrace_"
LIFETIMES: Final = (timedelta(days=7), timedelta(days=30), timedelta(days=90), timedelta(days=365))
LONGEST: Final = LIFETIMES[-1]
MOST_OPEN: Final = 20
# How often a token that is in use is written to.
# A token that is over is shown to its person so long.
_KEPT_FOR: Final = timedelta(days=30)
_NOTED_EVERY: Final = timedelta(minutes=1)
_ALPHABET: Final = string.ascii_lowercase + string.digits
_PREFIX_CHARACTERS: Final = 10


class TooManyTokens(MembershipError):
    """A person has as many open tokens as one may have."""


def issue_token(
    *, person: User, name: str, scopes: Iterable[str], lifetime: timedelta
) -> tuple[ApiToken, str]:
    """Make a token for a person, who alone can.

    Args:
        name: what the person calls it.
        scopes: of `scopes.registered_scopes`.
        lifetime: up to a year.
    Returns:
        The row, and the token itself, which is kept nowhere: show it once.
    Raises:
        ScopeUnknown: a scope is none, or there is none.
        ValidationError: the name or the lifetime can't be.
        TooManyTokens: there are MOST_OPEN open ones.
    """
    names = check_scopes(scopes)
    if not timedelta(0) < lifetime <= LONGEST:
        raise ValidationError({"lifetime": f"A token lives {LONGEST.days} days at most."})
    now = timezone.now()
    with transaction.atomic():
        # Locked, so that two requests at once don't both find room.
        User.objects.select_for_update().only("pk").get(pk=person.pk)
        if open_tokens(person).count() >= MOST_OPEN:
            raise TooManyTokens(
                f"You have {MOST_OPEN} open tokens, and that is as many as one may have. Revoke "
                "one that you no longer need."
            )
        prefix = "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_CHARACTERS))
        tenant = require_tenant()
        text = f"{BEGINS_WITH}{tenant.uuid.hex}_{prefix}_{secrets.token_urlsafe(32)}"
        token = ApiToken(
            person=person,
            name=" ".join(name.split()),
            prefix=prefix,
            token_hash=_hash(text, tenant),
            scopes=names,
            created_at=now,
            expires_at=now + lifetime,
        )
        token.full_clean()
        token.save(force_insert=True)
        trail.record(
            verb="token.issued",
            subject=token,
            actor=person,
            after={"scopes": names, "expires_at": token.expires_at},
        )
    return token, text


def revoke_token(*, token: ApiToken, by: User) -> ApiToken:
    """Take a token back; it opens nothing from now on. Safe to repeat.

    Raises:
        NotAllowed: it is another person's, and `by` may not manage people or not this one.
    """
    if token.person_id != by.pk:
        require_may_give(by=by, role=token.person.role)
    if token.revoked_at:
        return token
    with transaction.atomic():
        token.revoked_at = timezone.now()
        token.revoked_by = by
        token.save(update_fields=["revoked_at", "revoked_by"])
        trail.record(verb="token.revoked", subject=token, actor=by)
    return token


def find_token(text: str) -> ApiToken:
    """The token, open, with its person and their role, in one query.

    Raises:
        TokenOfAnotherWorkspace: it was made elsewhere; no query is spent.
        TokenInvalid, TokenRevoked, TokenExpired.
    """
    tenant = require_tenant()
    parts = text.split("_", 3)
    if len(parts) != 4 or not all(parts):  # noqa: PLR2004
        raise TokenInvalid("This is no token of ours. Copy it again, from the first letter on.")
    _, owner, prefix, _ = parts
    if owner != tenant.uuid.hex:
        if _is_uuid(owner):
            raise TokenOfAnotherWorkspace(
                "This token belongs to another workspace. Make one in this one."
            )
        raise TokenInvalid("This is no token of ours. Copy it again, from the first letter on.")
    token = ApiToken.objects.select_related("person__role").filter(prefix=prefix).first()
    if token is None or not constant_time_compare(token.token_hash, _hash(text, tenant)):
        raise TokenInvalid("Nobody in this workspace has this token. Make a new one.")
    if token.revoked_at or not token.person.is_active:
        raise TokenRevoked("This token was revoked. Make a new one.")
    if token.expires_at <= timezone.now():
        raise TokenExpired(f"This token expired on {token.expires_at:%Y-%m-%d}. Make a new one.")
    return token


def note_use(*, token: ApiToken, ip_address: str | None) -> None:
    """Remember that a token was used, a minute apart at least."""
    now = timezone.now()
    if token.last_used_at and now - token.last_used_at < _NOTED_EVERY:
        return
    token.last_used_at, token.last_used_from = now, ip_address
    token.save(update_fields=["last_used_at", "last_used_from"])


def open_tokens(person: User) -> QuerySet[ApiToken]:
    """What a person's programs can act with now."""
    return ApiToken.objects.filter(
        person=person, revoked_at=None, expires_at__gt=timezone.now()
    ).order_by("-id")


def delete_old() -> int:
    """Forget the tokens that expired or were revoked a month ago. Safe to repeat; one statement. Returns how
    many.

    Runs in: the tenant's schema.
    """
    long_ago = timezone.now() - _KEPT_FOR
    gone = ApiToken.objects.filter(Q(expires_at__lt=long_ago) | Q(revoked_at__lt=long_ago))
    return gone.delete()[0]


def _hash(text: str, tenant: TenantRef) -> str:
    # The tenant is part of it: a row copied into another workspace opens nothing there.
    return hashlib.sha256(f"{tenant.uuid}:{text}".encode()).hexdigest()


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
