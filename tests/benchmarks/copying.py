"""Many tenants quickly: a schema's tables, indexes, keys and rows, copied inside PostgreSQL.

For benchmarks alone. A tenant is never made from another's rows.
"""

from collections.abc import Iterable

import psycopg

_TABLES = """
    SELECT c.relname::text,
           string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
               FILTER (WHERE a.attgenerated = '')
      FROM pg_class AS c
      JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r'
     GROUP BY c.relname
     ORDER BY c.relname
"""
_FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
      FROM pg_constraint
     WHERE connamespace = %s::regnamespace AND contype = 'f'
     ORDER BY 1, 2
"""


def copy_schema(
    connection: psycopg.Connection[tuple[str, ...]],
    *,
    source: str,
    targets: Iterable[str],
    then: str = "",
) -> None:
    """Make each target a copy of the source: tables with indexes and rows, then foreign keys.

    Args:
        connection: of a role that owns the source and may make schemas; left in autocommit.
        source: a schema's name, made by us.
        targets: names of schemas that are not there yet.
        then: SQL to run last in each target, whose name it finds as {target}.
    Runs in: the targets, one transaction each.
    """
    connection.execute(f'SET search_path = "{source}", extensions'.encode())
    tables = connection.execute(_TABLES, [source]).fetchall()
    foreign_keys = connection.execute(_FOREIGN_KEYS, [source]).fetchall()
    create = [
        f'CREATE TABLE "{table}" (LIKE "{source}"."{table}" INCLUDING ALL); '
        f'INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE '
        f'SELECT {columns} FROM "{source}"."{table}"'
        for table, columns in tables
    ]
    constrain = [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        for table, name, definition in foreign_keys
    ]
    body = "; ".join([*create, *constrain])
    for target in targets:
        connection.execute(
            f'BEGIN; CREATE SCHEMA "{target}"; SET LOCAL search_path = "{target}", extensions; '
            f"{body}; {then.format(target=target)}; COMMIT".encode()
        )
    connection.execute("RESET search_path")
