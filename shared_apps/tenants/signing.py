"""Binds every signed value to the tenant it was signed in.

django.core.signing (and with it signed cookies, allauth's confirmation keys and every
`signing.dumps`) ends in `Signer.signature`; Django's tokens for password reset, and allauth's, which
are made from them, in `PasswordResetTokenGenerator._make_token_with_timestamp`. The tenant's uuid
goes into the salt of the one and the secret of the other, so what was signed in one tenant has a bad
signature in another and in the public schema.
"""

import functools
from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.signing import Signer
from django.utils.encoding import force_bytes, force_str

from shared_apps.tenants import context


def bind_signing() -> None:
    """Let signatures and reset tokens depend on the tenant that is set. Called once, at start."""
    if getattr(Signer.signature, "_terrace", False):
        return
    _bind_signer()
    _bind_reset_tokens()


def _bind_signer() -> None:
    original = Signer.signature

    @functools.wraps(original)
    def signature(self: Signer, value: str | bytes, key: str | None = None) -> str:
        tenant = context.current_tenant()
        if tenant is None:
            return original(self, value, key)
        bound = type(self).__new__(type(self))
        bound.__dict__.update(
            self.__dict__, salt=f"{force_str(self.salt)}:tenant:{tenant.uuid.hex}"
        )
        return original(bound, value, key)

    signature._terrace = True  # type: ignore[attr-defined]
    Signer.signature = signature  # type: ignore[method-assign, assignment]


def _bind_reset_tokens() -> None:
    original = PasswordResetTokenGenerator._make_token_with_timestamp

    @functools.wraps(original)
    def make_token(
        self: PasswordResetTokenGenerator, user: Any, timestamp: int, secret: str | bytes
    ) -> str:
        tenant = context.current_tenant()
        if tenant is not None:
            secret = force_bytes(secret) + b":tenant:" + tenant.uuid.bytes
        return original(self, user, timestamp, secret)

    PasswordResetTokenGenerator._make_token_with_timestamp = make_token  # type: ignore[method-assign]
