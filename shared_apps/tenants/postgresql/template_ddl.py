"""The DDL that makes a schema like the template, read from the template's catalogue.

Each statement is a single one and names its objects without a schema: it is run with `search_path`
set to the schema that is being made. PostgreSQL gets them as one string, Citus one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Final

from psycopg import sql
from psycopg.rows import tuple_row

from .catalogue import (
    MIGRATIONS_TABLE,
    Catalogue,
    Column,
    Constraint,
    Index,
    PsycopgConnection,
    SequenceOptions,
    Table,
    read_catalogue,
)

_QUOTED: Final = r"""'(?:[^']|'')*'|"(?:[^"]|"")*["]"""
_QUOTED_OR_BRACKET = re.compile(rf"{_QUOTED}|ARRAY\[|\[|\]")
_QUOTED_OR_PARENTHESIS = re.compile(rf"{_QUOTED}|\(|\)")


class UnsupportedInTemplate(ValueError):
    """The template holds something that single statements cannot make again in another schema."""


def template_statements(
    connection: PsycopgConnection, template_name: str, *, seed_tables: Sequence[str] = ()
) -> list[str]:
    """Single statements that make the template's objects in the schema that `search_path` names.

    After the objects come the rows of `django_migrations` and of the seed tables. No other row is
    taken over: a table that is not a seed table must be empty in the template.

    Args:
        connection: a psycopg 3 connection of the role that owns the template.
        seed_tables: tables of the template whose rows every new schema starts with.
    Raises:
        SchemaNotFound: there is no such template.
        UnsupportedInTemplate: it holds a view, a trigger, a partition, a stray row or the like; the
            sentence names it.
    """
    with connection.transaction(force_rollback=True):
        catalogue = read_catalogue(connection, template_name)
        return [
            *schema_statements(catalogue),
            *_migration_rows(catalogue),
            *_seed_rows(connection, catalogue, seed_tables),
        ]


def schema_statements(catalogue: Catalogue) -> list[str]:
    """The statements for the objects alone, tables before those that refer to them.

    Raises:
        UnsupportedInTemplate: the catalogue holds something that these statements cannot make.
    """
    _refuse_unsupported(catalogue)
    ordered, postponed = _in_foreign_key_order(catalogue.tables)
    return [
        *_free_sequences(catalogue),
        *(_create_table(table, postponed, catalogue) for table in ordered),
        *(_add_constraint(table, late) for table in ordered for late in _later(table, postponed)),
        *(_create_index(table, index) for table, index in _plain_indexes(ordered)),
        *_sequence_owners(catalogue),
        *(line for table in ordered for line in _settings_of(table)),
        *_comments(catalogue),
    ]


def in_foreign_key_order(tables: Sequence[Table]) -> list[Table]:
    """Tables, each after those that it refers to; a cycle is entered where the first of it stands."""
    return _in_foreign_key_order(tables)[0]


def table_statement(catalogue: Catalogue, table: Table) -> str:
    """CREATE TABLE with keys and checks; foreign keys and what is not valid come after it."""
    foreign = {(table.name, c.name) for c in table.constraints if c.references is not None}
    return _create_table(table, foreign, catalogue)


def constraint_statement(table: Table, constraint: Constraint) -> str:
    """ALTER TABLE … ADD CONSTRAINT."""
    return _add_constraint(table, constraint)


def index_statement(table: Table, index: Index) -> str:
    """CREATE INDEX, for an index that no constraint brings with it."""
    return _create_index(table, index)


def column_clause(catalogue: Catalogue, table: Table, column: Column) -> str:
    """A column as ADD COLUMN takes it, with its identity and its NOT NULL by name."""
    named = {c.not_null_column: c for c in table.constraints if c.not_null_column}
    identities = {s.owner_column: s for s in catalogue.sequences if _serves(s, table)}
    return _column(
        column,
        table=table,
        not_null=_not_null(column, named.get(column.name), set(named)),
        sequence=identities.get(column.name),
    )


def tables_in_order(tables: Sequence[Table]) -> list[Table]:
    """Each table after those that its foreign keys lead to, as far as these are among them."""
    own = {table.name for table in tables}
    inside = [
        replace(
            table,
            constraints=[c for c in table.constraints if c.references in {None, *own}],
        )
        for table in tables
    ]
    by_name = {table.name: table for table in tables}
    return [by_name[table.name] for table in _in_foreign_key_order(inside)[0]]


def quoted(name: str) -> str:
    """The name as a PostgreSQL identifier, always in quotes."""
    return sql.Identifier(name).as_string()


def literal(text: str) -> str:
    """The text as a PostgreSQL string constant, for statements that take no parameters."""
    return sql.Literal(text).as_string().strip()


def as_first_parsed(expression: str, array_types: Sequence[str] = ()) -> str:
    """The expression written so that PostgreSQL reads back the very tree that it printed.

    Two things that Django writes are printed in words that are read as another tree, whose text is
    another one too:

    - `status IN ('a', 'b')` on a varchar column is printed as
      `(ARRAY['a'::character varying, …])::text[]`. Read again, the cast is pushed down to each
      element. With the array's own type between the two it stays where it was. (An element that is
      a column of a limited length still gets a cast of its own.)
    - `n BETWEEN 0 AND 9 AND b` is printed as `(((n >= 0) AND (n <= 9)) AND b)`. Read again, the
      inner AND is merged with the outer one. BETWEEN keeps it apart.

    What else might differ is found when a template is compared with its first copy.

    Args:
        array_types: the types of the expression's array constructors, in their order.
    """
    return _with_between(_with_array_types(expression, array_types))


def _with_array_types(expression: str, array_types: Sequence[str]) -> str:
    arrays = 0
    opened: list[tuple[int, int] | None] = []
    edits: list[tuple[int, int | None]] = []
    for word in _QUOTED_OR_BRACKET.finditer(expression):
        if word[0] == "ARRAY[":
            opened.append((arrays, word.start()))
            arrays += 1
        elif word[0] == "[":
            opened.append(None)
        elif word[0] == "]":
            array = opened.pop()
            if array and expression.startswith(")::", word.end()):
                number, start = array
                edits += [(start, None), (word.end(), number)]
    if arrays != len(array_types):
        return expression
    for position, closed in sorted(edits, key=itemgetter(0), reverse=True):
        text = "(" if closed is None else f")::{array_types[closed]}"
        expression = expression[:position] + text + expression[position:]
    return expression


def _with_between(expression: str) -> str:
    groups = _groups(expression)
    for start, end in groups.items():
        left = groups.get(start + 1)
        if left is None or not expression.startswith(" AND (", left):
            continue
        if groups[left + len(" AND ")] != end - 1:
            continue
        lower = _split(expression[start + 2 : left - 1], " >= ")
        upper = _split(expression[left + len(" AND (") : end - 2], " <= ")
        if lower and upper and lower[0] == upper[0]:
            between = f"({lower[0]} BETWEEN ({lower[1]}) AND ({upper[1]}))"
            return _with_between(expression[:start] + between + expression[end:])
    return expression


def _groups(expression: str) -> dict[int, int]:
    """Where each pair of parentheses begins, and the place behind its end."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for word in _QUOTED_OR_PARENTHESIS.finditer(expression):
        if word[0] == "(":
            opened.append(word.start())
        elif word[0] == ")":
            pairs[opened.pop()] = word.end()
    return pairs


def _split(expression: str, operator: str) -> tuple[str, str] | None:
    """Both sides of an operator that stands outside all parentheses and quotes."""
    depth = 0
    for word in re.finditer(rf"{_QUOTED_OR_PARENTHESIS.pattern}|{operator}", expression):
        depth += {"(": 1, ")": -1}.get(word[0], 0)
        if word[0] == operator and depth == 0:
            return expression[: word.start()], expression[word.end() :]
    return None


def _refuse_unsupported(catalogue: Catalogue) -> None:
    for other in catalogue.others:
        raise UnsupportedInTemplate(
            f"The template holds the {other.kind} {other.name}. A tenant's schema is made of "
            "tables, indexes, constraints and sequences only; write it another way."
        )
    own = {table.name for table in catalogue.tables}
    for table in catalogue.tables:
        for sentence in _unsupported_in(table, own):
            raise UnsupportedInTemplate(sentence)


def _unsupported_in(table: Table, own: set[str]) -> Iterator[str]:
    name = f"The template's table {table.name}"
    reasons = {
        "is temporary": table.persistence == "TEMPORARY",
        "inherits from another table": table.inherits,
        f"uses the access method {table.access_method}": table.access_method != "heap",
        f"is in the tablespace {table.tablespace}": table.tablespace,
        "has row security": table.row_security,
        "has a replica identity that is not its primary key": table.replica_identity != "d",
    }
    for reason, holds in reasons.items():
        if holds:
            yield f"{name} {reason}; a tenant's table must be a plain one."
    for constraint in table.constraints:
        if constraint.references is not None and constraint.references not in own:
            yield (
                f"{name} refers to {constraint.references} by {constraint.name}: a foreign key "
                "must not leave the tenant's schema."
            )
    for index in table.indexes:
        if not index.valid:
            yield f"{name} has the invalid index {index.name}; drop it and create it again."
        if index.clustered:
            yield f"{name} is clustered on {index.name}; clustering is not supported."


def _in_foreign_key_order(
    tables: Sequence[Table],
) -> tuple[list[Table], set[tuple[str, str]]]:
    """Tables, each after those that it refers to, and the foreign keys that close a cycle.

    The latter are (table, constraint); they are added when all tables are there.
    """
    by_name = {table.name: table for table in tables}
    ordered: dict[str, Table] = {}
    open_tables: set[str] = set()
    postponed: set[tuple[str, str]] = set()

    def place(table: Table) -> None:
        open_tables.add(table.name)
        for constraint in table.constraints:
            target = constraint.references
            if target is None or target == table.name or target in ordered:
                continue
            if target in open_tables:
                postponed.add((table.name, constraint.name))
            else:
                place(by_name[target])
        open_tables.discard(table.name)
        ordered[table.name] = table

    for table in tables:
        if table.name not in ordered:
            place(table)
    return list(ordered.values()), postponed


def _later(table: Table, postponed: set[tuple[str, str]]) -> Iterator[Constraint]:
    """Constraints that CREATE TABLE cannot take: those of a cycle, and those that are not valid."""
    for constraint in table.constraints:
        if (table.name, constraint.name) in postponed or not constraint.validated:
            yield constraint


def _create_table(table: Table, postponed: set[tuple[str, str]], catalogue: Catalogue) -> str:
    later = {constraint.name for constraint in _later(table, postponed)}
    inline = [constraint for constraint in table.constraints if constraint.name not in later]
    named_not_nulls = {c.not_null_column: c for c in inline if c.not_null_column}
    constrained = {c.not_null_column for c in table.constraints}
    identities = {s.owner_column: s for s in catalogue.sequences if _serves(s, table)}
    lines = [
        _column(
            column,
            table=table,
            not_null=_not_null(column, named_not_nulls.get(column.name), constrained),
            sequence=identities.get(column.name),
        )
        for column in table.columns
    ]
    lines += [_constraint(constraint) for constraint in inline if not constraint.not_null_column]
    unlogged = "UNLOGGED " if table.persistence == "UNLOGGED" else ""
    options = f" WITH ({', '.join(table.options)})" if table.options else ""
    return f"CREATE {unlogged}TABLE {quoted(table.name)} ({', '.join(lines)}){options}"


def _serves(sequence: SequenceOptions, table: Table) -> bool:
    return sequence.identity and sequence.owner_table == table.name


def _not_null(column: Column, named: Constraint | None, constrained: set[str | None]) -> str:
    """From PostgreSQL 18 on a NOT NULL is a constraint with a name, which a copy keeps."""
    if named is not None:
        no_inherit = " NO INHERIT" if named.definition.endswith(" NO INHERIT") else ""
        return f"CONSTRAINT {quoted(named.name)} NOT NULL{no_inherit}"
    return "NOT NULL" if column.not_null and column.name not in constrained else ""


def _column(
    column: Column, *, table: Table, not_null: str, sequence: SequenceOptions | None
) -> str:
    expression = (
        None
        if column.expression is None
        else as_first_parsed(column.expression, column.array_types)
    )
    value = ""
    if sequence is not None:
        options = _identity_options(sequence, f"{table.name}_{column.name}_seq")
        value = f"GENERATED {column.identity} AS IDENTITY{options}"
    elif column.generated:
        value = f"GENERATED ALWAYS AS ({expression}) {column.generated}"
    elif expression is not None:
        value = f"DEFAULT {expression}"
    words = [
        quoted(column.name),
        column.type,
        f"STORAGE {column.storage}" if column.storage else "",
        f"COMPRESSION {column.compression}" if column.compression else "",
        f"COLLATE {column.collation}" if column.collation else "",
        not_null,
        value,
    ]
    return " ".join(word for word in words if word)


def _constraint(constraint: Constraint) -> str:
    definition = as_first_parsed(constraint.definition, constraint.array_types)
    return f"CONSTRAINT {quoted(constraint.name)} {definition}"


def _add_constraint(table: Table, constraint: Constraint) -> str:
    return f"ALTER TABLE {quoted(table.name)} ADD {_constraint(constraint)}"


def _plain_indexes(tables: Iterable[Table]) -> Iterator[tuple[Table, Index]]:
    for table in tables:
        for index in table.indexes:
            if not index.of_constraint:
                yield table, index


def _create_index(table: Table, index: Index) -> str:
    unique = "UNIQUE " if index.unique else ""
    definition = as_first_parsed(index.definition, index.array_types)
    return f"CREATE {unique}INDEX {quoted(index.name)} ON {quoted(table.name)} {definition}"


_LARGEST: Final = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


def _options(sequence: SequenceOptions) -> list[str]:
    """The sequence's options that are not the ones that PostgreSQL takes by itself."""
    usual = (1, 1, 1, _LARGEST[sequence.type], 1, False)
    own = (
        sequence.start,
        sequence.increment,
        sequence.minimum,
        sequence.maximum,
        sequence.cache,
        sequence.cycles,
    )
    if own == usual:
        return []
    return [
        f"START WITH {sequence.start}",
        f"INCREMENT BY {sequence.increment}",
        f"MINVALUE {sequence.minimum}",
        f"MAXVALUE {sequence.maximum}",
        f"CACHE {sequence.cache}",
        "CYCLE" if sequence.cycles else "NO CYCLE",
    ]


def _identity_options(sequence: SequenceOptions, usual_name: str) -> str:
    options = _options(sequence)
    if sequence.name != usual_name:
        options.insert(0, f"SEQUENCE NAME {quoted(sequence.name)}")
    return f" ({' '.join(options)})" if options else ""


def _free_sequences(catalogue: Catalogue) -> Iterator[str]:
    for sequence in catalogue.sequences:
        if not sequence.identity:
            options = " ".join(["", *_options(sequence)])
            yield f"CREATE SEQUENCE {quoted(sequence.name)} AS {sequence.type}{options}"


def _sequence_owners(catalogue: Catalogue) -> Iterator[str]:
    for sequence in catalogue.sequences:
        if sequence.owner_table and sequence.owner_column and not sequence.identity:
            column = f"{quoted(sequence.owner_table)}.{quoted(sequence.owner_column)}"
            yield f"ALTER SEQUENCE {quoted(sequence.name)} OWNED BY {column}"


def _settings_of(table: Table) -> Iterator[str]:
    for column in table.columns:
        if column.statistics is not None:
            yield (
                f"ALTER TABLE {quoted(table.name)} ALTER COLUMN {quoted(column.name)} "
                f"SET STATISTICS {column.statistics}"
            )


def _comments(catalogue: Catalogue) -> Iterator[str]:
    for table in catalogue.tables:
        own = quoted(table.name)
        yield from _comment(f"TABLE {own}", table.comment)
        for column in table.columns:
            yield from _comment(f"COLUMN {own}.{quoted(column.name)}", column.comment)
        for constraint in table.constraints:
            yield from _comment(
                f"CONSTRAINT {quoted(constraint.name)} ON {own}", constraint.comment
            )
        for index in table.indexes:
            yield from _comment(f"INDEX {quoted(index.name)}", index.comment)
    for sequence in catalogue.sequences:
        yield from _comment(f"SEQUENCE {quoted(sequence.name)}", sequence.comment)


def _comment(target: str, comment: str | None) -> Iterator[str]:
    if comment is not None:
        yield f"COMMENT ON {target} IS {literal(comment)}"


def _migration_rows(catalogue: Catalogue) -> Iterator[str]:
    """What the template has applied, in its order, as applied when the copy is made."""
    if catalogue.migrations:
        rows = [
            sql.SQL("({}, {}, CURRENT_TIMESTAMP)").format(app, name)
            for app, name in catalogue.migrations
        ]
        insert = sql.SQL("INSERT INTO {} (app, name, applied) VALUES {}")
        table = sql.Identifier(MIGRATIONS_TABLE)
        yield insert.format(table, sql.SQL(", ").join(rows)).as_string(None)


def _seed_rows(
    connection: PsycopgConnection, catalogue: Catalogue, seed_tables: Sequence[str]
) -> Iterator[str]:
    ordered, _ = _in_foreign_key_order(catalogue.tables)
    unknown = set(seed_tables) - {table.name for table in ordered}
    if unknown:
        raise UnsupportedInTemplate(
            f"The template has no table {', '.join(sorted(unknown))} to take seed rows from."
        )
    for table in ordered:
        if table.name in seed_tables:
            yield from _rows_of(connection, catalogue, table)
        elif table.name != MIGRATIONS_TABLE and _has_rows(connection, catalogue, table):
            raise UnsupportedInTemplate(
                f"The template's table {table.name} has rows, so a migration made them. A new "
                "tenant would not get them: make them in a seeder, or name it as a seed table."
            )


def _table_in(catalogue: Catalogue, table: Table) -> sql.Identifier:
    return sql.Identifier(catalogue.schema_name, table.name)


def _has_rows(connection: PsycopgConnection, catalogue: Catalogue, table: Table) -> bool:
    query = sql.SQL("SELECT FROM {} LIMIT 1").format(_table_in(catalogue, table))
    return connection.execute(query).rowcount > 0


def _rows_of(connection: PsycopgConnection, catalogue: Catalogue, table: Table) -> Iterator[str]:
    columns = [sql.Identifier(c.name) for c in table.columns if not c.generated]
    query = sql.SQL("SELECT {} FROM {} ORDER BY 1").format(
        sql.SQL(" || ', ' || ").join(
            sql.SQL("quote_nullable({}::text)").format(column) for column in columns
        ),
        _table_in(catalogue, table),
    )
    rows = [values for (values,) in connection.cursor(row_factory=tuple_row).execute(query)]
    if not rows:
        return
    insert = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ")
    columns_of = insert.format(sql.Identifier(table.name), sql.SQL(", ").join(columns))
    yield columns_of.as_string(None) + ", ".join(f"({values})" for values in rows)
    for sequence in catalogue.sequences:
        if sequence.owner_table == table.name:
            yield from _restart(connection, catalogue, sequence)


def _restart(
    connection: PsycopgConnection, catalogue: Catalogue, sequence: SequenceOptions
) -> Iterator[str]:
    """The copy of a seed table goes on counting where the template's stands."""
    name = sql.Identifier(catalogue.schema_name, sequence.name)
    cursor = connection.cursor(row_factory=tuple_row)
    cursor.execute(sql.SQL("SELECT last_value FROM {} WHERE is_called").format(name))
    row = cursor.fetchone()
    if row is not None:
        following = row[0] + sequence.increment
        yield f"ALTER SEQUENCE {quoted(sequence.name)} RESTART WITH {following}"
