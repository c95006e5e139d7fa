"""CREATE INDEX CONCURRENTLY that was cut short leaves an INVALID index behind, which has to go first.

https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

import re
from typing import Any

_CONCURRENTLY = re.compile(
    r"\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r'(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[a-z_][a-z0-9_$]*))',
    re.IGNORECASE,
)
_IS_VALID = """
    SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.oid = to_regclass(%s)
"""


def clear_the_way(cursor: Any, statement: str) -> bool:
    """Drop the INVALID index that an earlier try of this statement left, if there is one.

    Args:
        cursor: outside a transaction, its search_path set to the schema.
    Returns:
        Whether the index is there already, whole: then the statement has nothing to do.
    """
    match = _CONCURRENTLY.match(statement)
    if match is None:
        return False
    name = (match["quoted"] or "").replace('""', '"') or match["plain"].lower()
    quoted = '"' + name.replace('"', '""') + '"'
    cursor.execute(_IS_VALID, [quoted])
    row = cursor.fetchone()
    if row is None:
        return False
    if not row[0]:
        cursor.execute(f"DROP INDEX CONCURRENTLY {quoted}")
        return False
    return True
