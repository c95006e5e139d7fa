"""The numbers of the fleet's advisory locks (PostgreSQL 18 section 13.3.5)."""

import hashlib


def schema_lock_key(schema_name: str) -> int:
    """The lock of one schema, held by whoever alters it: a migration or a repair.

    A signed 64-bit number, for `pg_advisory_xact_lock`; the same in every process and release.
    """
    digest = hashlib.sha256(f"terrace schema {schema_name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
