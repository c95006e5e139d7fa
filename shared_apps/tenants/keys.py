"""Keys: UUIDv7 (RFC 9562 section 5.7), sortable by time, made in Python."""

import secrets
import string
from uuid import UUID

from uuid_utils.compat import uuid7 as _uuid7

_ALPHABET = string.ascii_lowercase + string.digits


def uuid7() -> UUID:
    """A new UUIDv7."""
    return UUID(int=_uuid7().int)


def new_schema_name() -> str:
    """A schema name that no tenant had or will have: `t_` and 12 random characters (62 bits)."""
    return "t_" + "".join(secrets.choice(_ALPHABET) for _ in range(12))
