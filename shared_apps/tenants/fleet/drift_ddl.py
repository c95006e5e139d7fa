"""What a schema has otherwise than the release, one difference for each cause, with the DDL for it.

The two catalogues are compared by name. A lost column, say, shows in three lines: the column, the
order of the columns, its NOT NULL. Here they are one difference with one statement. What no rule
here knows is told too, with a sentence in place of DDL: no line is lost.

Statements are single ones. They name their objects without a schema: `search_path` is the schema
that is mended.
"""

# ruff: noqa: S608 - names are quoted by `quoted`, texts by `literal`

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, TypeVar

from shared_apps.tenants.fleet.drift_grants import GrantsExplainer, Means
from shared_apps.tenants.fleet.drift_model import (
    PRIVILEGES,
    STRUCTURE,
    DifferingLines,
    Line,
    Phase,
    SchemaDifference,
)
from shared_apps.tenants.postgresql.catalogue import (
    Catalogue,
    Column,
    Constraint,
    Index,
    SequenceOptions,
    Table,
)
from shared_apps.tenants.postgresql.template_ddl import (
    as_first_parsed,
    column_clause,
    constraint_statement,
    index_statement,
    literal,
    quoted,
    table_statement,
    tables_in_order,
)

_NOT_VALID: Final = " NOT VALID"
_WITH_INDEX: Final = frozenset({"p", "u", "x"})
_ADDED: Final = {"c": Phase.ADD_CHECK, "f": Phase.ADD_FOREIGN_KEY}
_KINDS: Final = {
    "c": "check constraint",
    "f": "foreign key",
    "p": "primary key",
    "u": "unique constraint",
    "x": "exclusion constraint",
}
_INTEGERS: Final = frozenset({"smallint", "integer", "bigint"})
_TEXTS = re.compile(r"\A(?:text|character varying(?:\(\d+\))?)\Z")
_ORDER_BY_HAND: Final = (
    "PostgreSQL can't move a column. Django names its columns, so the order does no harm: accept "
    "it, or rebuild the schema (export the tenant and import it again)."
)
_UNKNOWN_BY_HAND: Final = (
    "There is no rule that mends this. Compare the two definitions and write the DDL by hand, or "
    "rebuild the schema (export the tenant and import it again)."
)
# In which order other objects are dropped: what stands on another one before that one.
_OTHERS: Final = {
    "rule": "RULE",
    "trigger": "TRIGGER",
    "policy": "POLICY",
    "view": "VIEW",
    "materialized view": "MATERIALIZED VIEW",
    "foreign table": "FOREIGN TABLE",
    "statistics object": "STATISTICS",
    "function": "FUNCTION",
    "partitioned table": "TABLE",
    "composite type": "TYPE",
    "type": "TYPE",
}
_ON_TABLES: Final = frozenset({"rule", "trigger", "policy"})
_WITH_ROWS: Final = frozenset({"materialized view", "foreign table", "partitioned table"})


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Part = TypeVar("_Part", bound=_Named)


def explain_differences(
    found: Catalogue, release: Catalogue, *, means: Means
) -> list[SchemaDifference]:
    """What differs, in the order in which it is mended.

    Args:
        found: the schema as it is.
        release: a schema made from the release's statements.
    Returns:
        Nothing where the two have the same description (migrations aside).
    """
    lines = DifferingLines(found, release)
    explained = [
        *_Explainer(found, release, lines).explain(),
        *GrantsExplainer(found, release, lines, means).explain(),
    ]
    explained += [
        SchemaDifference("other", line.object, (line,), by_hand=_UNKNOWN_BY_HAND)
        for line in lines.take_rest()
    ]
    return sorted(explained, key=lambda difference: difference.phase)


class _Explainer:
    """Tells what differs in tables, sequences and other objects."""

    def __init__(self, found: Catalogue, release: Catalogue, lines: DifferingLines) -> None:
        self.found = found
        self.release = release
        self.lines = lines
        self.tables = _by_name(found.tables)
        self.wanted = _by_name(release.tables)

    def explain(self) -> Iterator[SchemaDifference]:
        yield from self._other_objects()
        yield from self._extra_tables()
        yield from self._missing_tables()
        for table in self.found.tables:
            if table.name in self.wanted:
                yield from self._table(table, self.wanted[table.name])
        yield from self._sequences()
        yield from self._comments()

    def __contains__(self, key: str) -> bool:
        """Whether this line of the structure differs, and nobody told it yet."""
        return (STRUCTURE, key) in self.lines

    def _take(self, *objects: str) -> tuple[Line, ...]:
        return self.lines.take((STRUCTURE, name) for name in objects)

    def _take_both(self, *objects: str) -> tuple[Line, ...]:
        """Lines of the structure, and the grants on the same objects."""
        keys = [(part, name) for name in objects for part in (STRUCTURE, PRIVILEGES)]
        return self.lines.take(keys)

    # --- Whole tables -----------------------------------------------------------------------------

    def _extra_tables(self) -> Iterator[SchemaDifference]:
        for table in self.found.tables:
            if table.name not in self.wanted:
                yield SchemaDifference(
                    kind="extra table",
                    object=table.name,
                    lines=self._take_both(*_objects_of(table, self.found)),
                    statements=(
                        *self._drop_references(table),
                        f"DROP TABLE {quoted(table.name)}",
                    ),
                    loss=f"the rows of {table.name}",
                    loss_probe=f"SELECT EXISTS (SELECT FROM {quoted(table.name)})",
                    loss_table=table.name,
                    phase=Phase.DROP_TABLE,
                )

    def _drop_references(self, table: Table) -> Iterator[str]:
        """Foreign keys that lead to an extra table, and are to lead elsewhere."""
        for other in self.found.tables:
            for constraint in other.constraints:
                if constraint.references == table.name and other.name in self.wanted:
                    yield _drop_constraint(other, constraint)

    def _missing_tables(self) -> Iterator[SchemaDifference]:
        missing = [table for table in self.release.tables if table.name not in self.tables]
        there = {table.name for table in self.release.tables} & self.tables.keys()
        for table in tables_in_order(missing):
            there.add(table.name)
            late = [c for c in table.constraints if c.references and c.references not in there]
            own = _objects_of(table, self.release)
            keep = {f"constraint {table.name}.{constraint.name}" for constraint in late}
            yield SchemaDifference(
                kind="missing table",
                object=table.name,
                lines=self._take_both(*(name for name in own if name not in keep)),
                statements=tuple(_make_table(table, self.release, without=late)),
                phase=Phase.CREATE_TABLE,
            )
            for constraint in late:
                yield self._missing_constraint(table, constraint)

    # --- One table --------------------------------------------------------------------------------

    def _table(self, found: Table, wanted: Table) -> Iterator[SchemaDifference]:
        lines = self._take(f"table {wanted.name}")
        if lines:
            statements = tuple(_alter_table(found, wanted))
            yield SchemaDifference(
                kind="changed table",
                object=wanted.name,
                lines=lines,
                statements=statements,
                by_hand="" if statements else _UNKNOWN_BY_HAND,
                phase=Phase.ALTER_TABLE if statements else Phase.BY_HAND,
            )
        yield from self._columns(found, wanted)
        yield from self._constraints(found, wanted)
        yield from self._indexes(found, wanted)

    def _columns(self, found: Table, wanted: Table) -> Iterator[SchemaDifference]:
        there, expected = _by_name(found.columns), _by_name(wanted.columns)
        missing = [name for name in expected if name not in there]
        extra = [name for name in there if name not in expected]
        order = f"columns of {wanted.name}"
        if [*(name for name in there if name in expected), *missing] != list(expected):
            lines = self._take(order)
            yield SchemaDifference("column order", wanted.name, lines, by_hand=_ORDER_BY_HAND)
        for name in extra:
            yield self._extra_column(found, there[name], order)
        for name in missing:
            yield self._missing_column(wanted, expected[name], order)
        self._take(order)
        for name in expected:
            if name in there:
                yield from self._column(found, wanted, there[name], expected[name])

    def _extra_column(self, table: Table, column: Column, order: str) -> SchemaDifference:
        own, name = quoted(table.name), quoted(column.name)
        return SchemaDifference(
            kind="extra column",
            object=f"{table.name}.{column.name}",
            lines=self._take_both(*_objects_of_column(table, column, self.found), order),
            statements=(f"ALTER TABLE {own} DROP COLUMN {name}",),
            loss="" if column.generated else f"what {table.name}.{column.name} holds",
            loss_probe=_holds_values(table, column),
            loss_table=table.name,
            phase=Phase.DROP_COLUMN,
        )

    def _missing_column(self, table: Table, column: Column, order: str) -> SchemaDifference:
        clause = column_clause(self.release, table, column)
        statements = [f"ALTER TABLE {quoted(table.name)} ADD COLUMN {clause}"]
        if column.statistics is not None:
            statements.append(_alter_column(table, column, f"SET STATISTICS {column.statistics}"))
        if column.comment is not None:
            target = f"{quoted(table.name)}.{quoted(column.name)}"
            statements.append(f"COMMENT ON COLUMN {target} IS {literal(column.comment)}")
        return SchemaDifference(
            kind="missing column",
            object=f"{table.name}.{column.name}",
            lines=self._take_both(*_objects_of_column(table, column, self.release), order),
            statements=tuple(statements),
            phase=Phase.ADD_COLUMN,
        )

    def _column(
        self, table: Table, wanted_table: Table, found: Column, wanted: Column
    ) -> Iterator[SchemaDifference]:
        name = f"{table.name}.{wanted.name}"
        not_null = _not_null_of(table, found), _not_null_of(wanted_table, wanted)
        if f"column {name}" not in self:
            yield from self._not_null(wanted_table, *not_null)
            return
        if bool(found.generated) != bool(wanted.generated) or (
            found.generated and found.generated != wanted.generated
        ):
            lines = self._take(f"column {name}")
            yield SchemaDifference("changed column", name, lines, by_hand=_UNKNOWN_BY_HAND)
            return
        objects = [f"column {name}"]
        if found.not_null != wanted.not_null:
            objects += [f"constraint {table.name}.{c.name}" for c in not_null if c]
        if found.identity != wanted.identity or found.type != wanted.type:
            for catalogue in (self.found, self.release):
                sequence = _identity_of(catalogue, table.name, wanted.name)
                objects += [f"sequence {sequence.name}"] if sequence else []
        changes = list(self._changes(wanted_table, found, wanted, not_null[1]))
        is_safe = _converts_safely(found.type, wanted.type)
        loses = f"values of {name} that {wanted.type} does not hold as {found.type} does"
        yield SchemaDifference(
            kind=", ".join(dict.fromkeys(kind for kind, _ in changes)),
            object=name,
            lines=self._take_both(*objects),
            statements=tuple(statement for _, statement in changes),
            loss="" if is_safe else loses,
            loss_probe=_holds_values(table, wanted),
            loss_table=table.name,
            phase=Phase.ALTER_COLUMN,
        )

    def _changes(
        self, table: Table, found: Column, wanted: Column, not_null: Constraint | None
    ) -> Iterator[tuple[str, str]]:
        yield from _change_type(table, found, wanted)
        yield from _change_not_null(table, found, wanted, not_null)
        yield from _change_value(table, found, wanted)
        yield from self._change_identity(table, found, wanted)
        if found.storage != wanted.storage:
            yield (
                "changed storage",
                _alter_column(table, wanted, f"SET STORAGE {wanted.storage or 'DEFAULT'}"),
            )
        if found.compression != wanted.compression:
            yield (
                "changed compression",
                _alter_column(table, wanted, f"SET COMPRESSION {wanted.compression or 'default'}"),
            )
        if found.statistics != wanted.statistics:
            target = -1 if wanted.statistics is None else wanted.statistics
            yield "changed statistics", _alter_column(table, wanted, f"SET STATISTICS {target}")

    def _change_identity(
        self, table: Table, found: Column, wanted: Column
    ) -> Iterator[tuple[str, str]]:
        sequence = _identity_of(self.release, table.name, wanted.name)
        if found.identity and not wanted.identity:
            yield "extra identity", _alter_column(table, wanted, "DROP IDENTITY")
        elif wanted.identity and not found.identity and sequence:
            kind = "lost identity"
            if sequence.name in _by_name(self.found.sequences):
                yield kind, f"DROP SEQUENCE {quoted(sequence.name)}"
            options = f"SEQUENCE NAME {quoted(sequence.name)} {_identity_options(sequence)}"
            words = f"ADD GENERATED {wanted.identity} AS IDENTITY ({options})"
            yield kind, _alter_column(table, wanted, words)
            # It goes on counting behind the rows that are there.
            column, step = quoted(wanted.name), sequence.increment
            yield (
                kind,
                f"SELECT setval({literal(quoted(sequence.name))}, max({column}) + {step}, false) "
                f"FROM {quoted(table.name)} HAVING max({column}) >= {sequence.start}",
            )
        elif found.identity != wanted.identity:
            words = f"SET GENERATED {wanted.identity}"
            yield "changed identity", _alter_column(table, wanted, words)
        if found.identity and wanted.identity and found.type != wanted.type and sequence:
            yield "changed type", _alter_sequence(sequence)

    def _not_null(
        self, table: Table, found: Constraint | None, wanted: Constraint | None
    ) -> Iterator[SchemaDifference]:
        """A NOT NULL that is there in both, under another name or not valid."""
        if found is None or wanted is None:
            return
        own = quoted(table.name)
        statements: list[str] = []
        kind = "renamed constraint"
        if found.name != wanted.name:
            statements.append(
                f"ALTER TABLE {own} RENAME CONSTRAINT {quoted(found.name)} TO {quoted(wanted.name)}"
            )
        if found.definition != wanted.definition:
            kind = "changed NOT NULL"
            if found.definition == wanted.definition + _NOT_VALID:
                kind = "not validated constraint"
                statements.append(f"ALTER TABLE {own} VALIDATE CONSTRAINT {quoted(wanted.name)}")
            else:
                statements = [
                    _drop_constraint(table, found),
                    constraint_statement(table, wanted),
                ]
        names = [f"constraint {table.name}.{c.name}" for c in (found, wanted)]
        lines = self._take(*names)
        if lines:
            yield SchemaDifference(
                kind, f"{table.name}.{wanted.name}", lines, tuple(statements), phase=Phase.RENAME
            )

    # --- Constraints ------------------------------------------------------------------------------

    def _constraints(self, found: Table, wanted: Table) -> Iterator[SchemaDifference]:
        there = _by_name(c for c in found.constraints if c.kind != "n")
        expected = _by_name(c for c in wanted.constraints if c.kind != "n")
        extra = [c for c in there.values() if c.name not in expected]
        missing = [c for c in expected.values() if c.name not in there]
        for old, new in _pairs(extra, missing, same=lambda c: (c.kind, c.definition)):
            extra.remove(old)
            missing.remove(new)
            yield SchemaDifference(
                kind="renamed constraint",
                object=f"{found.name}.{new.name}",
                lines=self._take(*_objects_of_constraint(found, old, new)),
                statements=(
                    f"ALTER TABLE {quoted(found.name)} RENAME CONSTRAINT {quoted(old.name)} "
                    f"TO {quoted(new.name)}",
                    *self._comments_on(*_objects_of_constraint(found, new)),
                ),
                phase=Phase.RENAME,
            )
        for constraint in extra:
            yield self._extra_constraint(found, wanted, constraint)
        for constraint in missing:
            yield self._missing_constraint(wanted, constraint)
        for name in expected:
            if name in there:
                yield from self._constraint(found, wanted, there[name], expected[name])

    def _extra_constraint(
        self, table: Table, wanted: Table, constraint: Constraint
    ) -> SchemaDifference:
        statements = [*self._drop_constraint(table, constraint)]
        statements += self._references_again(table, constraint)
        index = _by_name(wanted.indexes).get(constraint.name)
        if index is not None and constraint.kind in _WITH_INDEX:
            statements.append(index_statement(wanted, index))
        is_foreign = constraint.kind == "f"
        return SchemaDifference(
            kind=f"extra {_KINDS[constraint.kind]}",
            object=f"{table.name}.{constraint.name}",
            lines=self._take(*_objects_of_constraint(table, constraint)),
            statements=tuple(statements),
            phase=Phase.DROP_FOREIGN_KEY if is_foreign else Phase.DROP_CONSTRAINT,
        )

    def _missing_constraint(self, table: Table, constraint: Constraint) -> SchemaDifference:
        statements = []
        found = self.tables.get(table.name)
        if found is not None and constraint.kind in _WITH_INDEX:
            index = _by_name(found.indexes).get(constraint.name)
            if index is not None and not index.of_constraint:
                statements.append(f"DROP INDEX {quoted(index.name)}")
        statements.append(constraint_statement(table, constraint))
        statements += self._comments_on(*_objects_of_constraint(table, constraint))
        return SchemaDifference(
            kind=f"missing {_KINDS[constraint.kind]}",
            object=f"{table.name}.{constraint.name}",
            lines=self._take(*_objects_of_constraint(table, constraint)),
            statements=tuple(statements),
            phase=_ADDED.get(constraint.kind, Phase.ADD_KEY),
        )

    def _constraint(
        self, table: Table, wanted_table: Table, found: Constraint, wanted: Constraint
    ) -> Iterator[SchemaDifference]:
        name = f"{table.name}.{wanted.name}"
        if f"constraint {name}" not in self:
            return
        phase = _ADDED.get(wanted.kind, Phase.ADD_KEY)
        if found.definition == wanted.definition + _NOT_VALID:
            kind = f"not validated {_KINDS[wanted.kind]}"
            statements = [
                f"ALTER TABLE {quoted(table.name)} VALIDATE CONSTRAINT {quoted(wanted.name)}"
            ]
        else:
            kind = f"changed {_KINDS[wanted.kind]}"
            statements = [
                *self._drop_constraint(table, found),
                constraint_statement(wanted_table, wanted),
                *self._references_again(table, found),
                *self._comments_on(*_objects_of_constraint(table, wanted)),
            ]
        yield SchemaDifference(
            kind=kind,
            object=name,
            lines=self._take(*_objects_of_constraint(table, wanted)),
            statements=tuple(statements),
            phase=phase,
        )

    def _drop_constraint(self, table: Table, constraint: Constraint) -> Iterator[str]:
        for other, reference in self._references(table, constraint):
            yield _drop_constraint(other, reference)
        yield _drop_constraint(table, constraint)

    def _references_again(self, table: Table, constraint: Constraint) -> list[str]:
        return [
            constraint_statement(other, reference)
            for other, reference in self._references(table, constraint)
        ]

    def _references(
        self, table: Table, constraint: Constraint
    ) -> Iterator[tuple[Table, Constraint]]:
        """The foreign keys that lead to this key, and have to go for the moment that it goes."""
        if constraint.kind not in {"p", "u"}:
            return
        key = constraint.definition[constraint.definition.index("(") :].partition(")")[0] + ")"
        for other in self.found.tables:
            for reference in other.constraints:
                target = reference.definition.rpartition(" REFERENCES ")[2]
                if reference.references == table.name and key in target:
                    yield other, reference

    # --- Indexes ----------------------------------------------------------------------------------

    def _indexes(self, found: Table, wanted: Table) -> Iterator[SchemaDifference]:
        there = _by_name(i for i in found.indexes if not i.of_constraint)
        expected = _by_name(i for i in wanted.indexes if not i.of_constraint)
        extra = [i for i in there.values() if f"index {i.name}" in self and i.name not in expected]
        missing = [
            i for i in expected.values() if f"index {i.name}" in self and i.name not in there
        ]
        for old, new in _pairs(extra, missing, same=lambda i: (i.unique, i.definition, i.valid)):
            extra.remove(old)
            missing.remove(new)
            yield SchemaDifference(
                kind="renamed index",
                object=new.name,
                lines=self._take(*_objects_of_index(old), *_objects_of_index(new)),
                statements=(
                    f"ALTER INDEX {quoted(old.name)} RENAME TO {quoted(new.name)}",
                    *self._comments_on(*_objects_of_index(new)),
                ),
                phase=Phase.RENAME,
            )
        for index in extra:
            yield SchemaDifference(
                kind="extra index" if index.valid else "extra INVALID index",
                object=index.name,
                lines=self._take(*_objects_of_index(index)),
                statements=(f"DROP INDEX IF EXISTS {quoted(index.name)}",),
                phase=Phase.DROP_INDEX,
            )
        for index in missing:
            yield SchemaDifference(
                kind="missing index",
                object=index.name,
                lines=self._take(*_objects_of_index(index)),
                statements=(
                    index_statement(wanted, index),
                    *self._comments_on(*_objects_of_index(index)),
                ),
                phase=Phase.ADD_INDEX,
            )
        for index in wanted.indexes:
            before = _by_name(found.indexes).get(index.name)
            if before is not None and f"index {index.name}" in self:
                yield self._index(wanted, before, index)

    def _index(self, table: Table, found: Index, wanted: Index) -> SchemaDifference:
        own, name = quoted(table.name), quoted(wanted.name)
        statements: list[str] = []
        if found.clustered and not wanted.clustered:
            statements.append(f"ALTER TABLE {own} SET WITHOUT CLUSTER")
        if found.replica_identity and not wanted.replica_identity:
            statements.append(f"ALTER TABLE {own} REPLICA IDENTITY DEFAULT")
        is_same = (found.unique, found.definition) == (wanted.unique, wanted.definition)
        if not (is_same and found.valid):
            statements += [f"DROP INDEX IF EXISTS {name}", index_statement(table, wanted)]
            statements += self._comments_on(*_objects_of_index(wanted))
        return SchemaDifference(
            kind="changed index" if found.valid else "INVALID index",
            object=wanted.name,
            lines=self._take(*_objects_of_index(wanted)),
            statements=tuple(statements),
            phase=Phase.ADD_INDEX,
        )

    # --- Sequences, comments, other objects -------------------------------------------------------

    def _sequences(self) -> Iterator[SchemaDifference]:
        there, expected = _by_name(self.found.sequences), _by_name(self.release.sequences)
        for sequence in self.found.sequences:
            if sequence.name in expected or f"sequence {sequence.name}" not in self:
                continue
            lines = self._take_both(f"sequence {sequence.name}")
            renamed = self._identity_again(sequence)
            if renamed is not None:
                new = quoted(renamed.name)
                yield SchemaDifference(
                    kind="renamed sequence",
                    object=renamed.name,
                    lines=lines + self._take_both(f"sequence {renamed.name}"),
                    statements=(
                        f"ALTER SEQUENCE {quoted(sequence.name)} RENAME TO {new}",
                        _alter_sequence(renamed),
                    ),
                    phase=Phase.RENAME,
                )
            else:
                yield SchemaDifference(
                    kind="extra sequence",
                    object=sequence.name,
                    lines=lines,
                    statements=(f"DROP SEQUENCE {quoted(sequence.name)}",),
                    phase=Phase.DROP_SEQUENCE,
                )
        for sequence in self.release.sequences:
            lines = self._take(f"sequence {sequence.name}")
            if not lines:
                continue
            if sequence.name in there:
                statements = [_alter_sequence(sequence), *_owned_by(sequence)]
                kind, phase = "changed sequence", Phase.ADD_KEY
            else:
                lines += self.lines.take([(PRIVILEGES, f"sequence {sequence.name}")])
                statements = [f"CREATE SEQUENCE {quoted(sequence.name)} {_options(sequence)}"]
                kind, phase = "missing sequence", Phase.CREATE_SEQUENCE
            yield SchemaDifference(kind, sequence.name, lines, tuple(statements), phase=phase)

    def _identity_again(self, sequence: SequenceOptions) -> SequenceOptions | None:
        """The release's sequence of the same identity, if it is missing under its name."""
        if not (sequence.identity and sequence.owner_table and sequence.owner_column):
            return None
        wanted = _identity_of(self.release, sequence.owner_table, sequence.owner_column)
        return wanted if wanted and f"sequence {wanted.name}" in self else None

    def _comments_on(self, *objects: str) -> Iterator[str]:
        """The release's comments on objects that are made anew or have another name now."""
        for key, text, statement in _comment_targets(self.release):
            if f"comment on {key}" in objects:
                yield f"{statement} IS {literal(text)}"

    def _comments(self) -> Iterator[SchemaDifference]:
        comments: dict[str, str] = {}
        for catalogue in (self.found, self.release):
            for key, _, statement in _comment_targets(catalogue):
                comments.setdefault(key, statement)
        wanted = {key: text for key, text, _ in _comment_targets(self.release)}
        for key, statement in comments.items():
            lines = self._take(f"comment on {key}")
            if lines:
                text = wanted.get(key)
                words = "NULL" if text is None else literal(text)
                yield SchemaDifference(
                    kind="changed comment",
                    object=key,
                    lines=lines,
                    statements=(f"{statement} IS {words}",),
                    phase=Phase.COMMENT,
                )

    def _other_objects(self) -> Iterator[SchemaDifference]:
        order = list(_OTHERS)
        for other in sorted(
            self.found.others,
            key=lambda other: order.index(other.kind) if other.kind in _OTHERS else len(order),
        ):
            if other.kind not in _OTHERS:
                continue
            table, _, name = other.name.partition(".")
            if other.kind in _ON_TABLES:
                words = f"{quoted(name)} ON {quoted(table)}"
            else:  # PostgreSQL prints a function with its arguments, in quotes where they are needed
                words = other.name if other.kind == "function" else quoted(other.name)
            has_rows = other.kind in _WITH_ROWS
            yield SchemaDifference(
                kind=f"extra {other.kind}",
                object=other.name,
                lines=self._take(f"{other.kind} {other.name}")
                + self.lines.take([(PRIVILEGES, f"table {other.name}")]),
                statements=(f"DROP {_OTHERS[other.kind]} {words}",),
                loss=f"the rows of {other.name}" if has_rows else "",
                phase=Phase.DROP_OTHER,
            )


def _by_name(parts: Iterable[_Part]) -> dict[str, _Part]:
    return {part.name: part for part in parts}


def _pairs(
    extra: Iterable[_Part], missing: Iterable[_Part], *, same: Callable[[_Part], object]
) -> list[tuple[_Part, _Part]]:
    """Each extra part with the missing one that is the same but for its name."""
    left = list(missing)
    pairs = []
    for old in extra:
        new = next((part for part in left if same(part) == same(old)), None)
        if new is not None:
            left.remove(new)
            pairs.append((old, new))
    return pairs


# --- Which lines of a description belong to an object -----------------------------------------


def _objects_of(table: Table, catalogue: Catalogue) -> Iterator[str]:
    yield f"table {table.name}"
    yield f"columns of {table.name}"
    yield f"comment on table {table.name}"
    for column in table.columns:
        yield f"column {table.name}.{column.name}"
        yield f"comment on column {table.name}.{column.name}"
    for constraint in table.constraints:
        yield f"constraint {table.name}.{constraint.name}"
        yield f"comment on constraint {table.name}.{constraint.name}"
    for index in table.indexes:
        yield f"index {index.name}"
        yield f"comment on index {index.name}"
    for sequence in catalogue.sequences:
        if sequence.owner_table == table.name:
            yield f"sequence {sequence.name}"
            yield f"comment on sequence {sequence.name}"


def _objects_of_column(table: Table, column: Column, catalogue: Catalogue) -> Iterator[str]:
    yield f"column {table.name}.{column.name}"
    yield f"comment on column {table.name}.{column.name}"
    for constraint in table.constraints:
        if constraint.not_null_column == column.name:
            yield f"constraint {table.name}.{constraint.name}"
    for sequence in catalogue.sequences:
        if (sequence.owner_table, sequence.owner_column) == (table.name, column.name):
            yield f"sequence {sequence.name}"


def _objects_of_constraint(table: Table, *constraints: Constraint) -> Iterator[str]:
    for constraint in constraints:
        yield f"constraint {table.name}.{constraint.name}"
        yield f"comment on constraint {table.name}.{constraint.name}"
        if constraint.kind in _WITH_INDEX:
            yield f"index {constraint.name}"
            yield f"comment on index {constraint.name}"


def _objects_of_index(index: Index) -> Iterator[str]:
    yield f"index {index.name}"
    yield f"comment on index {index.name}"


def _not_null_of(table: Table, column: Column) -> Constraint | None:
    return next((c for c in table.constraints if c.not_null_column == column.name), None)


def _identity_of(catalogue: Catalogue, table: str, column: str) -> SequenceOptions | None:
    return next(
        (
            sequence
            for sequence in catalogue.sequences
            if sequence.identity
            and (sequence.owner_table, sequence.owner_column) == (table, column)
        ),
        None,
    )


# --- Statements -------------------------------------------------------------------------------


def _make_table(
    table: Table, catalogue: Catalogue, *, without: Iterable[Constraint]
) -> Iterator[str]:
    yield table_statement(catalogue, table)
    for constraint in table.constraints:
        is_late = constraint.references is not None or not constraint.validated
        if is_late and constraint not in without:
            yield constraint_statement(table, constraint)
    for index in table.indexes:
        if not index.of_constraint:
            yield index_statement(table, index)
    for column in table.columns:
        if column.statistics is not None:
            yield _alter_column(table, column, f"SET STATISTICS {column.statistics}")
    own = {key for key in _objects_of(table, catalogue) if key.startswith("comment on ")}
    for key, text, statement in _comment_targets(catalogue):
        if f"comment on {key}" in own:
            yield f"{statement} IS {literal(text)}"


def _alter_table(found: Table, wanted: Table) -> Iterator[str]:
    head = f"ALTER TABLE {quoted(wanted.name)}"
    if found.persistence != wanted.persistence:
        yield f"{head} SET {'UNLOGGED' if wanted.persistence == 'UNLOGGED' else 'LOGGED'}"
    if found.access_method != wanted.access_method:
        yield f"{head} SET ACCESS METHOD {quoted(wanted.access_method)}"
    if found.tablespace != wanted.tablespace:
        yield f"{head} SET TABLESPACE {quoted(wanted.tablespace or 'pg_default')}"
    names = {option.partition("=")[0] for option in wanted.options}
    gone = [name for o in found.options if (name := o.partition("=")[0]) not in names]
    if gone:
        yield f"{head} RESET ({', '.join(gone)})"
    if wanted.options and set(wanted.options) != set(found.options):
        yield f"{head} SET ({', '.join(wanted.options)})"
    if found.row_security and not wanted.row_security:
        yield f"{head} NO FORCE ROW LEVEL SECURITY"
        yield f"{head} DISABLE ROW LEVEL SECURITY"
    if found.replica_identity != wanted.replica_identity:
        yield f"{head} REPLICA IDENTITY DEFAULT"
    for parent in found.inherits:
        if parent not in wanted.inherits:
            yield f"{head} NO INHERIT {parent}"


def _drop_constraint(table: Table, constraint: Constraint) -> str:
    """It may be gone by then, with a column or a table that was in the way."""
    name = quoted(constraint.name)
    return f"ALTER TABLE {quoted(table.name)} DROP CONSTRAINT IF EXISTS {name}"


def _alter_column(table: Table, column: Column, words: str) -> str:
    return f"ALTER TABLE {quoted(table.name)} ALTER COLUMN {quoted(column.name)} {words}"


def _holds_values(table: Table, column: Column) -> str:
    own, name = quoted(table.name), quoted(column.name)
    return f"SELECT EXISTS (SELECT FROM {own} WHERE {name} IS NOT NULL)"


def _converts_safely(found: str, wanted: str) -> bool:
    """Whether PostgreSQL would rather refuse a value than change it."""
    if found == wanted or {found, wanted} <= _INTEGERS:
        return True
    return bool(_TEXTS.match(found) and _TEXTS.match(wanted))


def _change_type(table: Table, found: Column, wanted: Column) -> Iterator[tuple[str, str]]:
    if (found.type, found.collation) == (wanted.type, wanted.collation):
        return
    has_default = found.expression is not None and not found.generated
    if found.type != wanted.type and has_default:
        # PostgreSQL would convert the default as well, which not every type allows.
        yield "changed type", _alter_column(table, wanted, "DROP DEFAULT")
    collation = wanted.collation or ('pg_catalog."default"' if found.collation else "")
    words = f"TYPE {wanted.type}{' COLLATE ' + collation if collation else ''}"
    if not _converts_safely(found.type, wanted.type) and not found.generated:
        words += f" USING {quoted(wanted.name)}::{wanted.type}"
    yield "changed type", _alter_column(table, wanted, words)
    if found.type != wanted.type and has_default and found.expression == wanted.expression:
        yield "changed type", _set_default(table, wanted)


def _change_not_null(
    table: Table, found: Column, wanted: Column, constraint: Constraint | None
) -> Iterator[tuple[str, str]]:
    if wanted.not_null and not found.not_null:
        if constraint is None:
            yield "lost NOT NULL", _alter_column(table, wanted, "SET NOT NULL")
        else:
            yield "lost NOT NULL", constraint_statement(table, constraint)
    elif found.not_null and not wanted.not_null:
        yield "extra NOT NULL", _alter_column(table, wanted, "DROP NOT NULL")


def _change_value(table: Table, found: Column, wanted: Column) -> Iterator[tuple[str, str]]:
    if found.expression == wanted.expression:
        return
    if wanted.generated:
        expression = as_first_parsed(wanted.expression or "NULL", wanted.array_types)
        words = f"SET EXPRESSION AS ({expression})"
        yield "changed expression", _alter_column(table, wanted, words)
    elif wanted.expression is None:
        yield "changed default", _alter_column(table, wanted, "DROP DEFAULT")
    else:
        yield "changed default", _set_default(table, wanted)


def _set_default(table: Table, column: Column) -> str:
    expression = as_first_parsed(column.expression or "NULL", column.array_types)
    return _alter_column(table, column, f"SET DEFAULT {expression}")


def _identity_options(sequence: SequenceOptions) -> str:
    return (
        f"START WITH {sequence.start} INCREMENT BY {sequence.increment} "
        f"MINVALUE {sequence.minimum} MAXVALUE {sequence.maximum} CACHE {sequence.cache} "
        f"{'CYCLE' if sequence.cycles else 'NO CYCLE'}"
    )


def _options(sequence: SequenceOptions) -> str:
    return f"AS {sequence.type} {_identity_options(sequence)}"


def _alter_sequence(sequence: SequenceOptions) -> str:
    return f"ALTER SEQUENCE {quoted(sequence.name)} {_options(sequence)}"


def _owned_by(sequence: SequenceOptions) -> Iterator[str]:
    if sequence.identity:  # it is its column's for good
        return
    owner = "NONE"
    if sequence.owner_table and sequence.owner_column:
        owner = f"{quoted(sequence.owner_table)}.{quoted(sequence.owner_column)}"
    yield f"ALTER SEQUENCE {quoted(sequence.name)} OWNED BY {owner}"


def _comment_targets(catalogue: Catalogue) -> Iterator[tuple[str, str, str]]:
    """Each comment: whose it is, its text, and how the statement begins."""
    for key, comment, words in _commented(catalogue):
        if comment is not None:
            yield key, comment, f"COMMENT ON {words}"


def _commented(catalogue: Catalogue) -> Iterator[tuple[str, str | None, str]]:
    for sequence in catalogue.sequences:
        yield f"sequence {sequence.name}", sequence.comment, f"SEQUENCE {quoted(sequence.name)}"
    for table in catalogue.tables:
        own = quoted(table.name)
        yield f"table {table.name}", table.comment, f"TABLE {own}"
        for column in table.columns:
            words = f"COLUMN {own}.{quoted(column.name)}"
            yield f"column {table.name}.{column.name}", column.comment, words
        for constraint in table.constraints:
            words = f"CONSTRAINT {quoted(constraint.name)} ON {own}"
            yield f"constraint {table.name}.{constraint.name}", constraint.comment, words
        for index in table.indexes:
            yield f"index {index.name}", index.comment, f"INDEX {quoted(index.name)}"
