"""Which statements an application's cursor may send.

The extended protocol already limits a message to one statement. What is left is a first statement
that changes the lock by itself (SET ROLE, RESET, DO …) or leaves something on the connection when
the transaction is over (PREPARE, LISTEN, a cursor WITH HOLD). So a cursor of the application takes
the statements below and no others.
"""

import re

from shared_apps.tenants.errors import StatementRefused

# The first word decides what PostgreSQL does, so the first word must be one of these.
# A cursor is declared by the backend's named cursors alone (base.py), never WITH HOLD; they fetch
# and close over psycopg's own channel.
_ALLOWED = re.compile(
    rb"""[\s(]*(?:
        SELECT | INSERT | UPDATE | DELETE | WITH | VALUES | MERGE | EXPLAIN | TABLE
      | SAVEPOINT | RELEASE | (?P<takes_back> ROLLBACK\s+TO )
      | DECLARE\s+"[^"]+"\s+(?:NO\s+)?(?:SCROLL\s+)?CURSOR\s+FOR
      | LOCK | COPY | SHOW
      | SET\s+CONSTRAINTS
      | SET\s+LOCAL\s+(?:
            statement_timeout|lock_timeout|work_mem|jit|plan_cache_mode|enable_[a-z]+|pg_trgm\.[a-z_]+
        )
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
# As PostgreSQL reads them (section 4.1.5): a line comment ends at \n or at \r, and block comments
# nest. One inside another is not followed here, so its statement is refused.
_COMMENTS = re.compile(rb"(?:\s|--[^\n\r]*|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)*")


def check_statement(statement: bytes) -> bool:
    """Let a statement pass that cannot change the lock.

    Args:
        statement: as it goes to the server, in UTF-8.
    Returns:
        Whether it takes back what was set since a savepoint (ROLLBACK TO), the lock included.
    Raises:
        StatementRefused: it sets a role or a path, ends the transaction, runs a block of code,
            alters tables, or leaves something on the connection.
    """
    match = _ALLOWED.match(statement) or _ALLOWED.match(
        statement,
        _COMMENTS.match(statement).end(),  # type: ignore[union-attr]  # it matches anything
    )
    if match is not None:
        return match.lastgroup is not None
    first = b" ".join(statement.split()[:3]).decode(errors="replace")[:60]
    raise StatementRefused(
        f"A statement that begins with {first!r} cannot be sent by the application. Roles and "
        "search_path are set by context.run_in alone; tables are altered by migrations, over "
        "the connection 'owner'."
    )
