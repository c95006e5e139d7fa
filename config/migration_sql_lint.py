"""What is wrong with one statement of a RunSQL operation: the part of the migration linter for SQL."""

import re
from collections.abc import Collection, Iterator
from typing import Final

import sqlparse

# A rule's number and what is wrong.
Problem = tuple[str, str]

_NAME: Final = r'(?:"(?:[^"]|"")+"|[a-z_][\w$]*)'
_FLAGS: Final = re.IGNORECASE | re.DOTALL
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_UNCOPYABLE = re.compile(
    r"""\A(?:
        (?:CREATE|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+|TEMP(?:ORARY)?\s+|RECURSIVE\s+|EVENT\s+)*
        (?P<object>TRIGGER|FUNCTION|PROCEDURE|AGGREGATE|MATERIALIZED\s+VIEW|VIEW|RULE|TYPE|DOMAIN|POLICY
          |EXTENSION|COLLATION|STATISTICS|OPERATOR|CAST|LANGUAGE|FOREIGN\s+TABLE|TEXT\s+SEARCH)\b
      | (?P<block>DO)\b
      | CREATE\s+(?:UNLOGGED\s+)?TABLE\b.*\b(?P<table>PARTITION\s+(?:BY|OF)|INHERITS)\b
      | ALTER\s+TABLE\b.*\b(?P<row>ROW\s+LEVEL\s+SECURITY)\b
    )""",
    _FLAGS | re.VERBOSE,
)
_SCHEMA_SWITCH = re.compile(r"\A(?:SET|RESET)\b.*\b(?:search_path|role|authorization)\b", _FLAGS)
_SCHEMA_DDL = re.compile(r"\A(?:CREATE|ALTER|DROP)\s+SCHEMA\b|\bSET\s+SCHEMA\b", _FLAGS)
_QUALIFIED = re.compile(
    rf"""\b(?:TABLE|INDEX|SEQUENCE|ON|INTO|FROM|JOIN|UPDATE|REFERENCES|USING|CONCURRENTLY)\s+
        (?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:ONLY\s+)?(?P<schema>{_NAME})\s*\.\s*{_NAME}""",
    _FLAGS | re.VERBOSE,
)
_CREATE_TABLE = re.compile(
    rf"\ACREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<table>{_NAME})", _FLAGS
)
_SMALL_KEY = re.compile(
    r"\b(?:smallserial|serial[24]?)\b"
    r"|\b(?:int|int2|int4|integer|smallint)\b[^,()]*\bPRIMARY\s+KEY\b",
    _FLAGS,
)
_CREATE_INDEX = re.compile(
    rf"""\ACREATE\s+(?:UNIQUE\s+)?INDEX\s+(?P<concurrently>CONCURRENTLY\s+)?
        (?:IF\s+NOT\s+EXISTS\s+)?(?:{_NAME}\s+)?ON\s+(?:ONLY\s+)?(?P<table>{_NAME})""",
    _FLAGS | re.VERBOSE,
)
_ALTER_TABLE = re.compile(
    rf"\AALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<table>{_NAME})\s+(?P<rest>.*)\Z", _FLAGS
)
_DROP_TABLE = re.compile(r"\A(?:DROP\s+TABLE|TRUNCATE)\b", _FLAGS)
# What ALTER TABLE must not do to a table with rows: the rule, and what is wrong.
_ALTERATIONS: Final = (
    (
        "L003",
        re.compile(r"\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b", _FLAGS),
        "ALTER COLUMN … TYPE may rewrite the table under a lock that stops readers too. Add a "
        "column of the new type, fill it in batches, and drop the old one in a later release.",
    ),
    (
        "L004",
        re.compile(r"\bSET\s+NOT\s+NULL\b", _FLAGS),
        "SET NOT NULL reads the whole table under a lock that stops readers too. Add a CHECK "
        "(… IS NOT NULL) NOT VALID, validate it in the next migration, then SET NOT NULL.",
    ),
    (
        "L006",
        re.compile(
            r"\bADD\s+(?:CONSTRAINT\s+\S+\s+)?(?:CHECK|FOREIGN\s+KEY|UNIQUE|PRIMARY\s+KEY|EXCLUDE)\b"
            r"(?!.*\b(?:NOT\s+VALID|USING\s+INDEX)\b)",
            _FLAGS,
        ),
        "The constraint is checked for all rows while the table is locked. Add it NOT VALID and "
        "VALIDATE it in the next migration; a UNIQUE gets CREATE UNIQUE INDEX CONCURRENTLY first, "
        "then ADD CONSTRAINT … USING INDEX.",
    ),
    (
        "L007",
        re.compile(
            r"\bDROP\s+(?:COLUMN\s+)?(?!CONSTRAINT|DEFAULT|NOT|EXPRESSION|IDENTITY)", _FLAGS
        ),
        "The release that still runs reads this column. Take it out of the model in one release, "
        'and drop it in the next, whose migration says so: contracts = "why nobody reads it".',
    ),
    (
        "L008",
        re.compile(r"\bRENAME\s+(?!CONSTRAINT\b)", _FLAGS),
        "The release that still runs knows the old name alone. Keep the name in the database "
        "(db_column, db_table), or add, copy, and drop in a later release.",
    ),
)


def has_one_statement(sql: str) -> bool:
    """Whether the text is exactly one statement, with or without its semicolon."""
    return len([part for part in sqlparse.split(sql) if part.strip(" \n\t;")]) == 1


def created_table(sql: str) -> str | None:
    """The table that a CREATE TABLE makes, in lower case as PostgreSQL would have it."""
    match = _CREATE_TABLE.match(_bare(sql))
    return _plain(match["table"]) if match else None


def problems_of(sql: str, *, new_tables: Collection[str]) -> Iterator[Problem]:
    """What is wrong with one statement.

    Args:
        new_tables: the tables that the same migration makes: nobody waits for them yet.
    """
    text = _bare(sql)
    yield from _uncopyable(text)
    yield from _schemas(text)
    yield from _tables(text)
    yield from _locks(text, new_tables)


def _bare(sql: str) -> str:
    """Without comments, without what stands in quotes, on one line."""
    stripped = sqlparse.format(sql, strip_comments=True)
    return " ".join(_LITERAL.sub("''", stripped).split())


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _uncopyable(text: str) -> Iterator[Problem]:
    match = _UNCOPYABLE.match(text)
    if match is None:
        return
    word = " ".join(next(filter(None, match.groups())).upper().split())
    yield (
        "L010",
        f"{word}: a tenant's schema is made of tables, indexes, constraints and sequences alone, "
        "so that the template can be copied and Citus takes the same DDL. Do it in Python, or with "
        "a constraint; extensions are made once, by the bootstrap.",
    )


def _schemas(text: str) -> Iterator[Problem]:
    named = [
        name
        for match in _QUALIFIED.finditer(text)
        if (name := _plain(match["schema"])) not in {"extensions", "pg_catalog"}
    ]
    if named or _SCHEMA_SWITCH.match(text) or _SCHEMA_DDL.search(text):
        what = f"the schema {named[0]}" if named else "a schema or a role of its own choice"
        yield (
            "L011",
            f"The statement names {what}. It runs in each tenant's schema by search_path: write "
            "names without a schema.",
        )


def _tables(text: str) -> Iterator[Problem]:
    if not _CREATE_TABLE.match(text):
        return
    if not re.search(r"\bPRIMARY\s+KEY\b", text, _FLAGS) and not re.search(
        r"\bPARTITION\s+OF\b", text, _FLAGS
    ):
        yield (
            "L014",
            "The table has no primary key: it can't be moved between Citus nodes, and a restore "
            "can't compare its rows. Add id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY.",
        )
    if _SMALL_KEY.search(text):
        yield (
            "L015",
            "A 32-bit key ends at 2,147,483,647 and can't be widened without rewriting the table. "
            "Use bigint … GENERATED BY DEFAULT AS IDENTITY, or uuid.",
        )


def _locks(text: str, new_tables: Collection[str]) -> Iterator[Problem]:
    index = _CREATE_INDEX.match(text)
    if index and not index["concurrently"] and _plain(index["table"]) not in new_tables:
        yield (
            "L005",
            "CREATE INDEX stops all writers until it is done. Write CREATE INDEX CONCURRENTLY in a "
            "migration of its own with atomic = False, or use AddIndexConcurrently.",
        )
    if _DROP_TABLE.match(text):
        yield (
            "L007",
            "The release that still runs reads this table. Stop using it in one release, and drop "
            'it in the next, whose migration says so: contracts = "why nobody reads it".',
        )
    alter = _ALTER_TABLE.match(text)
    if alter and _plain(alter["table"]) not in new_tables:
        for rule, pattern, sentence in _ALTERATIONS:
            if pattern.search(alter["rest"]):
                yield rule, sentence
