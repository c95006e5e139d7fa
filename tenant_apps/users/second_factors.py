"""Passkeys, codes of an app and recovery codes: what is kept of them, and how one gets rid of them."""

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from shared_apps.tenants.context import require_tenant
from shared_apps.tenants.encryption import decrypt_text, encrypt_text
from shared_apps.tenants.errors import TextUnreadable
from tenant_apps.activity import trail
from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User
from tenant_apps.users.roles import require_may_give

_PURPOSE = "second factor"


class SecondFactorUnreadable(NotAllowed):
    """The secret of a second factor was encrypted elsewhere; the sentence says what helps."""


class TenantMFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # untyped base
    """How allauth's second factors behave inside a tenant.

    A passkey belongs to the host that it was made at (allauth's relying party id), a secret to the
    tenant whose key it is encrypted with. A copied row is worth nothing elsewhere.
    """

    def encrypt(self, text: str) -> str:
        """For the database: the secret of an app's codes, the seed of recovery codes."""
        return encrypt_text(text, purpose=_PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises SecondFactorUnreadable; never anything that a code could be guessed from."""
        try:
            return decrypt_text(encrypted_text, purpose=_PURPOSE)
        except TextUnreadable as error:
            raise SecondFactorUnreadable(
                "Your second factor was set up under another key and can't be read any more. Ask an "
                "owner or admin of this workspace to take it away, then log in and set up a new one."
            ) from error

    def get_totp_issuer(self) -> str:
        """What the code is listed under in the app."""
        return require_tenant().name

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The host that was asked, with the workspace's name for people."""
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return {**entity, "name": require_tenant().name}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Any) -> str:  # noqa: A002 (allauth's name)
        """What a new passkey is called until its owner says otherwise."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return f"Passkey {number}" if number > 1 else "Passkey"


def remove_second_factors(*, person: User, by: User) -> int:
    """Take away all that a person needs besides the password, for one who has lost it.

    Returns:
        How many there were.
    Raises:
        NotAllowed: `by` may not manage people, or the person may do more than `by`.
    Runs in: the tenant's schema.
    """
    require_may_give(by=by, role=person.role)
    removed: int
    with transaction.atomic():
        removed, _ = Authenticator.objects.filter(user=person).delete()
        if removed:
            trail.record(
                verb="person.second_factors_removed",
                subject=person,
                actor=by,
                before={"second_factors": removed},
            )
    return removed
