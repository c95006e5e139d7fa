"""Numbers of the advisory locks that keep two processes from changing the same schema at once."""

import hashlib
from typing import Final

# A session lock: one migration of the fleet at a time.
FLEET: Final = 0x7465727261636502


def schema_lock_key(schema_name: str) -> int:
    """The key of the transaction lock that whoever alters this schema's tables takes.

    Returns:
        A signed 64-bit number for pg_advisory_xact_lock, the same in every process.
    """
    digest = hashlib.sha256(f"terrace.schema:{schema_name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
