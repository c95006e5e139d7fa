"""Logging a program in with a person's password: a short access token and a longer refresh token.

Both are JSON Web Tokens (RFC 7519, RFC 9068 for the first) that are signed with a key of this
workspace alone and name it in `aud`. Neither is believed by itself: each stands for a `SignIn` row, so
that signing out everywhere, a new password and deactivation end it at once. A refresh token works
once; one that comes a second time ends the whole log-in (RFC 9700 section 4.14.2).

Each verb runs in the tenant's schema.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core import ratelimit
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import update_last_login
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from shared_apps.tenants.context import require_tenant
from tenant_apps.activity import trail
from tenant_apps.users import sign_ins
from tenant_apps.users.errors import (
    AddressUnconfirmed,
    SecondFactorNeeded,
    SecondFactorWrong,
    TokenExpired,
    TokenInvalid,
    TokenOfAnotherWorkspace,
    TokenReused,
    TokenRevoked,
    TooManyLogins,
    WrongCredentials,
)
from tenant_apps.users.models import SignIn, User

ACCESS_LIFETIME: Final = timedelta(minutes=10)
WAIT: Final = timedelta(minutes=1)
_ALGORITHM: Final = "HS256"
_ACCESS: Final = "at+jwt"
_REFRESH: Final = "refresh+jwt"
_TOO_MANY: Final = "Too many log-ins have failed. Wait a minute, then try again."


@dataclass(frozen=True, slots=True)
class Pair:
    """What a program gets.

    Args:
        access: sent as `Authorization: Bearer …`, for ACCESS_LIFETIME.
        refresh: changed for a new pair, once.
    """

    access: str
    refresh: str


def log_in(request: HttpRequest, *, email: str, password: str, code: str = "") -> Pair:
    """Log a program in, under the rules and limits of the log-in page.

    Args:
        request: whose address is counted.
        code: of an authenticator app, or a recovery code, where the person has a second factor.
    Raises:
        WrongCredentials, AddressUnconfirmed, SecondFactorNeeded, SecondFactorWrong, TooManyLogins.
    """
    if not ratelimit.consume(request, action="login"):
        raise TooManyLogins(_TOO_MANY)
    try:
        person = get_adapter().authenticate(request, email=email, password=password)
    except ValidationError as error:
        raise TooManyLogins(_TOO_MANY) from error
    if not isinstance(person, User) or not person.is_active:
        raise WrongCredentials("E-mail address or password is wrong.")
    if not EmailAddress.objects.filter(user=person, verified=True).exists():
        raise AddressUnconfirmed(
            "This e-mail address has not been confirmed yet. Open the link in the letter to it."
        )
    _require_second_factor(person, code)
    with transaction.atomic():
        update_last_login(None, person)  # type: ignore[arg-type]  # a signal's receiver
        row = sign_ins.begin_api(request, person)
        trail.record(verb="person.logged_in_program", subject=person, actor=person)
    return _pair(row)


def refresh(request: HttpRequest, *, token: str) -> Pair:
    """A new pair for a refresh token, which is worth nothing from now on.

    Raises:
        TokenReused: it was used before. The log-in has ended, in this transaction: commit it.
        TokenInvalid, TokenOfAnotherWorkspace, TokenExpired, TokenRevoked.
    """
    claims = _read(token, kind=_REFRESH)
    with transaction.atomic():
        row = _row_of(claims, locked=True)
        if claims.get("n") != row.refreshes:
            row.ended_at = timezone.now()
            row.save(update_fields=["ended_at"])
            trail.record(verb="person.refresh_token_reused", subject=row, actor=row.person)
            reused = True
        else:
            row.refreshes += 1
            row.last_seen_at = timezone.now()
            row.expires_at = row.last_seen_at + sign_ins.API_LIFETIME
            row.save(update_fields=["refreshes", "last_seen_at", "expires_at"])
            reused = False
    if reused:
        raise TokenReused(
            "This refresh token was used before, so somebody else may have it. The log-in has "
            "ended; log in again."
        )
    return _pair(row)


def log_out(*, token: str) -> None:
    """End the log-in that a refresh token belongs to. Safe to repeat.

    Raises:
        TokenInvalid, TokenOfAnotherWorkspace. One that is over or revoked is passed over
        (RFC 7009 section 2.2).
    """
    try:
        row = _row_of(_read(token, kind=_REFRESH), locked=True)
    except (TokenExpired, TokenRevoked):
        return
    sign_ins.end_sign_in(sign_in=row, by=row.person)


def find_person(token: str) -> User:
    """Whom an access token stands for, with their role; one query.

    Raises:
        TokenInvalid, TokenOfAnotherWorkspace, TokenExpired, TokenRevoked.
    """
    return _row_of(_read(token, kind=_ACCESS)).person


def _require_second_factor(person: User, code: str) -> None:
    kinds = set(Authenticator.objects.filter(user=person).values_list("type", flat=True))
    if not kinds:
        return
    if kinds == {Authenticator.Type.WEBAUTHN}:
        raise SecondFactorNeeded(
            "You log in with a passkey, which a program can't. Make an API token in your account."
        )
    if not code:
        raise SecondFactorNeeded(
            "You have a second factor: send `code` as well, from your app or a recovery code."
        )
    form = AuthenticateForm({"code": code}, user=person)
    if form.is_valid():
        form.authenticator.record_usage()
        return
    codes = {error.code for errors in form.errors.as_data().values() for error in errors}
    if "too_many_login_attempts" in codes:
        raise TooManyLogins(_TOO_MANY)
    raise SecondFactorWrong("This code is wrong, or was used already. Take the next one.")


def _pair(row: SignIn) -> Pair:
    now = timezone.now()
    shared = {
        "iss": f"{settings.TERRACE_SCHEME}://{require_tenant().hostname}",
        "aud": _audience(),
        "sub": str(row.person_id),
        "sid": str(row.pk),
        "iat": now,
    }
    key = _keys()[0]
    access = jwt.encode(
        {**shared, "exp": now + ACCESS_LIFETIME, "jti": secrets.token_hex(8)},
        key,
        _ALGORITHM,
        headers={"typ": _ACCESS},
    )
    again = jwt.encode(
        {**shared, "exp": row.expires_at, "n": row.refreshes},
        key,
        _ALGORITHM,
        headers={"typ": _REFRESH},
    )
    return Pair(access=access, refresh=again)


def _read(token: str, *, kind: str) -> dict[str, Any]:
    """The claims of a token of ours, of this kind."""
    try:
        unread = jwt.decode_complete(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise TokenInvalid("This is no token of ours. Log in again.") from error
    if unread["payload"].get("aud") != _audience():
        if str(unread["payload"].get("aud", "")).startswith("urn:uuid:"):
            raise TokenOfAnotherWorkspace(
                "This token belongs to another workspace. Log in to this one."
            )
        raise TokenInvalid("This is no token of ours. Log in again.")
    if unread["header"].get("typ") != kind:
        raise TokenInvalid(
            "This is another kind of token: send the access token as Bearer, and the refresh "
            "token to be changed for a new pair."
        )
    for key in _keys():
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=_audience(),
                options={"require": ["exp", "aud", "sub", "sid"]},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired("This token's time is over. Change the refresh token.") from error
        except jwt.InvalidTokenError as error:
            raise TokenInvalid("This is no token of ours. Log in again.") from error
        else:
            return claims
    raise TokenInvalid("This is no token of ours. Log in again.")


def _row_of(claims: dict[str, Any], *, locked: bool = False) -> SignIn:
    rows = SignIn.objects.select_related("person__role")
    if locked:
        rows = rows.select_for_update(of=("self",))
    try:
        key = UUID(claims["sid"])
    except ValueError as error:
        raise TokenInvalid("This is no token of ours. Log in again.") from error
    row = rows.filter(pk=key, kind=SignIn.Kind.API).first()
    if row is None or str(row.person_id) != claims["sub"]:
        raise TokenRevoked("This log-in is gone. Log in again.")
    if row.ended_at or not row.person.is_active or not sign_ins.is_stamped(row):
        raise TokenRevoked("This log-in has ended. Log in again.")
    return row


def _audience() -> str:
    return f"urn:uuid:{require_tenant().uuid}"


def _keys() -> list[bytes]:
    """This workspace's keys, the one to sign with first: made of SECRET_KEY and of those before it."""
    tenant = require_tenant()
    return [
        salted_hmac(
            "tenant_apps.users.api_logins", tenant.uuid.hex, secret=secret, algorithm="sha256"
        ).digest()
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
