"""Text that the database keeps but can't read, and that one tenant's code can read alone.

The key is made of SECRET_KEY, the tenant's uuid and a purpose (HKDF, RFC 5869). So a copied row says
nothing in another tenant, and a dump of the database nothing at all. Keys in SECRET_KEY_FALLBACKS
still read what they encrypted.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from shared_apps.tenants import context
from shared_apps.tenants.errors import TextUnreadable

_KEY_BYTES = 32  # Fernet's: half to sign with, half to encrypt with


def encrypt_text(text: str, *, purpose: str) -> str:
    """Encrypt for the tenant that is set.

    Args:
        purpose: what the text is for, such as `second factor`; it is part of the key.
    Returns:
        ASCII, about four thirds of the text and 100 characters long, another each time.
    Raises:
        NoTenant: none is set.
    """
    return _keys(purpose).encrypt(text.encode()).decode("ascii")


def decrypt_text(encrypted: str, *, purpose: str) -> str:
    """What encrypt_text was given, in the same tenant and for the same purpose.

    Raises:
        TextUnreadable: it was encrypted in another tenant, for something else or under a SECRET_KEY
            that is gone, or it was altered.
        NoTenant: none is set.
    """
    try:
        return _keys(purpose).decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise TextUnreadable(
            f"This text was not encrypted here as {purpose!r}, or under a SECRET_KEY that is gone. "
            "Put that key into SECRET_KEY_FALLBACKS, or make the text anew."
        ) from error


def _keys(purpose: str) -> MultiFernet:
    tenant = context.require_tenant()
    keys = []
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        made = HKDF(
            algorithm=SHA256(),
            length=_KEY_BYTES,
            salt=tenant.uuid.bytes,
            info=f"terrace.encryption:{purpose}".encode(),
        ).derive(secret.encode())
        keys.append(Fernet(base64.urlsafe_b64encode(made)))
    return MultiFernet(keys)
