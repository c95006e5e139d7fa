"""Signatures by which a receiver knows our events (Standard Webhooks 1.0.0, "Signature scheme",
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
# 24 to 64 by the standard.
_SECRET_BYTES: Final = 32


def make_secret() -> str:
    """A new secret, as a receiver keeps it: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(*, secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret.

    Args:
        secrets: the newest first; the one before is among them while it still counts.
        message_id: the header `webhook-id`.
        timestamp: the header `webhook-timestamp`, in seconds since the epoch.
        body: the bytes that are sent.
    """
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    return " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets)


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
