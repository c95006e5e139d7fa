"""The rules of the migration linter, over operations as Django has loaded them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.postgres import operations as postgres
from django.contrib.postgres.functions import RandomUUID
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations import RunPython, RunSQL
from django.db.migrations import operations as plain
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.utils import resolve_relation
from django.db.models import CheckConstraint, Func, Q
from django.db.models.fields import NOT_PROVIDED
from django.db.models.functions import Random

from config.migration_sql_lint import Problem, created_table, has_one_statement, problems_of

_CONSTANT: Final = frozenset({dict, list, set, tuple, str, bytes, int, float, bool})
_SMALL_KEYS: Final = frozenset(
    {
        "AutoField",
        "SmallAutoField",
        "IntegerField",
        "SmallIntegerField",
        "PositiveIntegerField",
        "PositiveSmallIntegerField",
    }
)
_VOLATILE: Final = frozenset(
    {"gen_random_uuid", "uuidv4", "uuidv7", "random", "clock_timestamp", "nextval", "timeofday"}
)
# Fit for a migration that is not one transaction: each leaves at most itself undone.
_CONCURRENT: Final = (
    postgres.AddIndexConcurrently,
    postgres.RemoveIndexConcurrently,
    postgres.ValidateConstraint,
    RunPython,
)
_STATE_ONLY: Final = (plain.AlterModelOptions, plain.AlterModelManagers)
_ROWS_ONLY = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE)\b", re.IGNORECASE)
_VARCHAR = re.compile(r"\Avarchar(?:\((\d+)\))?\Z")
_NUMERIC = re.compile(r"\Anumeric\((\d+), (\d+)\)\Z")
# Where Django would make the columns; nothing is ever asked of it.
_POSTGRESQL = DatabaseWrapper({"NAME": "", "OPTIONS": {}, "TIME_ZONE": None}, "migration-lint")

# django-stubs leave out what a field gets from its keyword arguments (db_index).
AnyField = Any


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of the apps whose tables stand in the public schema, and in tenants'."""

    shared: frozenset[str]
    tenant: frozenset[str]


@dataclass
class History:
    """The models as they are before the next migration, and the constraints not validated yet."""

    state: ProjectState = field(default_factory=ProjectState)
    not_valid: set[tuple[str, str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class NumberedProblem:
    """What is wrong, and with which operation of the migration, from 0."""

    number: int
    rule: str
    sentence: str


def check_migration(
    migration: Migration, history: History, labels: Labels
) -> list[NumberedProblem]:
    """What is wrong with one migration. The history goes on past it.

    Args:
        history: as the migrations before it have left it.
    """
    checker = _Checker(migration, history, labels)
    return list(checker.problems())


class _Checker:
    def __init__(self, migration: Migration, history: History, labels: Labels) -> None:
        self.migration = migration
        self.app = migration.app_label
        self.history = history
        self.state = history.state
        self.labels = labels
        self.new_models: set[str] = set()
        self.new_tables: set[str] = set()
        self.new_not_valid: set[str] = set()
        operations = [op for one in migration.operations for op in _database_operations(one)]
        self.has_schema_changes = any(_changes_schema(operation) for operation in operations)
        self.database_operations = len(operations)

    def problems(self) -> Iterator[NumberedProblem]:
        for number, operation in enumerate(self.migration.operations):
            for rule, sentence in self._problems_of(operation):
                yield NumberedProblem(number, rule, sentence)
            operation.state_forwards(self.app, self.history.state)

    def _problems_of(self, operation: Operation) -> Iterator[Problem]:
        yield from self._outside_transaction(operation)
        # The two halves may differ: what reaches the database is checked against the state that
        # it would make.
        self.state = self.history.state
        halves = list(_database_operations(operation))
        if halves != [operation]:
            self.state = self.history.state.clone()
        for half in halves:
            for kind, check in _CHECKS:
                if isinstance(half, kind):
                    yield from check(self, half)
                    break
            if half is not operation:
                half.state_forwards(self.app, self.state)

    def _outside_transaction(self, operation: Operation) -> Iterator[Problem]:
        if self.migration.atomic:
            return
        halves = list(_database_operations(operation))
        fits = all(isinstance(half, _CONCURRENT) or _is_concurrent_sql(half) for half in halves)
        if halves and (not fits or self.database_operations > 1):
            yield (
                "L017",
                "With atomic = False each operation is for good by itself: where the second one "
                "fails, the first can't be repeated. Give one CONCURRENTLY, one ValidateConstraint "
                "or one RunPython a migration of its own, and everything else a transaction.",
            )

    # --- Models -----------------------------------------------------------------------------------

    def create_model(self, operation: plain.CreateModel) -> Iterator[Problem]:
        self.new_models.add(operation.name_lower)
        options = operation.options
        self.new_tables.add(options.get("db_table") or f"{self.app}_{operation.name_lower}")
        if options.get("db_tablespace"):
            yield (
                "L010",
                f"{operation.name} asks for a tablespace, which the template can't copy. Leave "
                "db_tablespace out.",
            )
        for _, field_ in operation.fields:
            yield from self._key(operation.name, field_)

    def delete_model(self, operation: plain.DeleteModel) -> Iterator[Problem]:
        options = self.state.models[self.app, operation.name_lower].options
        is_table = options.get("managed", True) and not options.get("proxy")
        if is_table and operation.name_lower not in self.new_models:
            yield from self._contract(f"The table of {operation.name}")

    def rename_model(self, operation: plain.RenameModel) -> Iterator[Problem]:
        options = self.state.models[self.app, operation.old_name_lower].options
        if not options.get("db_table") and operation.old_name_lower not in self.new_models:
            yield self._rename(
                f"{operation.old_name} gets another table",
                f'Keep it: db_table = "{self.app}_{operation.old_name_lower}"',
            )
        if operation.old_name_lower in self.new_models:
            self.new_models.add(operation.new_name_lower)

    def alter_table(self, operation: plain.AlterModelTable) -> Iterator[Problem]:
        options = self.state.models[self.app, operation.name_lower].options
        usual = f"{self.app}_{operation.name_lower}"
        before, after = options.get("db_table") or usual, operation.table or usual
        if before != after and operation.name_lower not in self.new_models:
            yield self._rename(f"{operation.name} gets the table {after}", "Keep db_table")

    def order_with_respect_to(self, operation: plain.AlterOrderWithRespectTo) -> Iterator[Problem]:
        if operation.order_with_respect_to and operation.name_lower not in self.new_models:
            yield (
                "L001",
                f"order_with_respect_to adds a NOT NULL column to {operation.name}, which the "
                "release that still runs doesn't fill. Add a column of your own with db_default.",
            )

    def _rename(self, what: str, instead: str) -> Problem:
        return (
            "L008",
            f"{what}: the release that still runs knows the old name alone. {instead}, or add the "
            "new one, copy, and drop the old one in a later release.",
        )

    def _contract(self, what: str) -> Iterator[Problem]:
        reason = getattr(self.migration, "contracts", "")
        if not (isinstance(reason, str) and reason.strip()):
            yield (
                "L007",
                f"{what} is dropped while the release that still runs may read it. Take it out of "
                "the code in one release (SeparateDatabaseAndState takes it out of the models) and "
                'drop it in the next, whose Migration says: contracts = "why nobody reads it".',
            )

    # --- Fields -----------------------------------------------------------------------------------

    def add_field(self, operation: plain.AddField) -> Iterator[Problem]:
        added: AnyField = operation.field
        yield from self._key(operation.model_name, added)
        if operation.model_name_lower in self.new_models or added.many_to_many:
            return
        name = f"{operation.model_name}.{operation.name}"
        if getattr(added, "generated", False):
            yield _rewrite(f"{name} is a generated column")
            return
        yield from _values(name, added)
        if added.unique:
            yield _checked_at_once(f"{name} is unique")
        elif added.db_index:
            yield _plain_index(f"{name} has an index (db_index)")

    def remove_field(self, operation: plain.RemoveField) -> Iterator[Problem]:
        if operation.model_name_lower not in self.new_models:
            yield from self._contract(f"{operation.model_name}.{operation.name}")

    def rename_field(self, operation: plain.RenameField) -> Iterator[Problem]:
        model = self.state.models[self.app, operation.model_name_lower]
        before = model.fields[operation.old_name]
        if not before.db_column and operation.model_name_lower not in self.new_models:
            suffix = "_id" if before.is_relation else ""
            yield self._rename(
                f"{operation.model_name}.{operation.old_name} gets another column",
                f'Keep it: db_column="{operation.old_name}{suffix}"',
            )

    def alter_field(self, operation: plain.AlterField) -> Iterator[Problem]:
        yield from self._key(operation.model_name, operation.field)
        if operation.model_name_lower in self.new_models:
            return
        name = f"{operation.model_name}.{operation.name}"
        after_state = self.state.clone()
        operation.state_forwards(self.app, after_state)
        before, after = (
            state.apps.get_model(self.app, operation.model_name)._meta.get_field(operation.name)
            for state in (self.state, after_state)
        )
        yield from self._altered(name, operation, before, after)

    def _altered(
        self, name: str, operation: plain.AlterField, before: AnyField, after: AnyField
    ) -> Iterator[Problem]:
        old, new = _type_of(before), _type_of(after)
        if old != new and not _widens(old, new):
            yield _rewrite(f"{name} becomes {new[0]}, and was {old[0]}")
        if before.column != after.column:
            yield self._rename(f"{name} gets another column", f'Keep db_column="{before.column}"')
        if before.null and not after.null and not self._is_known_not_null(operation):
            yield (
                "L004",
                f"{name} becomes NOT NULL: PostgreSQL reads the whole table while readers wait. "
                f"Fill it, add a CheckConstraint(condition=Q({operation.name}__isnull=False)) by "
                "AddConstraintNotValid, then ValidateConstraint in the next migration; after that "
                "AlterField finds it proven.",
            )
        if after.unique and not before.unique:
            yield _checked_at_once(f"{name} becomes unique")
        elif after.db_index and not before.db_index and not after.unique:
            yield _plain_index(f"{name} gets an index (db_index)")
        if _has_foreign_key(after) and not _has_foreign_key(before):
            yield _checked_at_once(f"{name} becomes a foreign key")

    def _is_known_not_null(self, operation: plain.AlterField) -> bool:
        model = operation.model_name_lower
        wanted = Q(**{f"{operation.name}__isnull": False})
        return any(
            isinstance(constraint, CheckConstraint)
            and constraint.condition == wanted
            and (self.app, model, constraint.name) not in self.history.not_valid
            for constraint in self.state.models[self.app, model].options.get("constraints", ())
        )

    def _key(self, model: str, added: AnyField) -> Iterator[Problem]:
        if added.primary_key and added.get_internal_type() in _SMALL_KEYS:
            yield (
                "L015",
                f"{model} has a 32-bit key, which can't be widened without rewriting the table. "
                "Use BigAutoField, or UUIDField(primary_key=True, default=uuid7).",
            )
        if added.remote_field is None:
            return
        target = resolve_relation(added.remote_field.model, self.app, model.lower())[0]
        home = self.labels.tenant if self.app in self.labels.tenant else self.labels.shared
        if target not in home:
            yield (
                "L016",
                f"{model} refers to a model of {target}, whose table stands in another schema: it "
                "could be neither moved nor restored by itself. Keep the other row's uuid in a "
                "UUIDField.",
            )

    # --- Indexes and constraints ------------------------------------------------------------------

    def add_index_concurrently(self, operation: postgres.AddIndexConcurrently) -> Iterator[Problem]:
        if self.migration.atomic:
            yield (
                "L005",
                f"The index {operation.index.name} can't be made CONCURRENTLY inside a "
                "transaction. Give it a migration of its own with atomic = False.",
            )

    def add_index(self, operation: plain.AddIndex) -> Iterator[Problem]:
        if operation.model_name_lower not in self.new_models:
            yield _plain_index(f"The index {operation.index.name} is made")

    def add_not_valid(self, operation: postgres.AddConstraintNotValid) -> Iterator[Problem]:
        name = operation.constraint.name
        self.history.not_valid.add((self.app, operation.model_name_lower, name))
        self.new_not_valid.add(name)
        yield from ()

    def validate(self, operation: postgres.ValidateConstraint) -> Iterator[Problem]:
        key = (self.app, operation.model_name.lower(), operation.name)
        self.history.not_valid.discard(key)
        if operation.name in self.new_not_valid:
            yield (
                "L006",
                f"{operation.name} is added and validated in one transaction, which keeps the lock "
                "of the first while it reads the whole table. Validate it in the next migration.",
            )

    def add_constraint(self, operation: plain.AddConstraint) -> Iterator[Problem]:
        if operation.model_name_lower not in self.new_models:
            yield _checked_at_once(f"{operation.constraint.name} is added")

    def together(
        self, operation: plain.AlterUniqueTogether | plain.AlterIndexTogether
    ) -> Iterator[Problem]:
        options = self.state.models[self.app, operation.name_lower].options
        before = {tuple(names) for names in options.get(operation.option_name) or ()}
        added = {tuple(names) for names in operation.option_value or ()} - before
        if added and operation.name_lower not in self.new_models:
            what = f"{operation.option_name} of {operation.name} grows"
            is_unique = isinstance(operation, plain.AlterUniqueTogether)
            yield _checked_at_once(what) if is_unique else _plain_index(what)

    # --- SQL and Python ---------------------------------------------------------------------------

    def run_python(self, operation: RunPython) -> Iterator[Problem]:
        if operation.reverse_code is None:
            yield _one_way("RunPython", "reverse_code=migrations.RunPython.noop")
        if self.has_schema_changes:
            yield (
                "L013",
                "RunPython keeps its rows locked until the migration ends, and the tables that the "
                "same migration alters with them. Give it a migration of its own.",
            )

    def run_sql(self, operation: RunSQL) -> Iterator[Problem]:
        if operation.reverse_sql is None:
            yield _one_way("RunSQL", "reverse_sql=migrations.RunSQL.noop")
        forward, backward = operation.sql, operation.reverse_sql
        for sql in (forward, backward):
            if not _are_single(sql):
                yield (
                    "L009",
                    "Citus takes DDL one statement at a time, and so does the fleet's replay. "
                    'Write RunSQL(["one statement", "another"], reverse_sql=["…"]).',
                )
                break
        for statement in _statements(forward):
            yield from problems_of(statement, new_tables=self.new_tables)
            table = created_table(statement)
            if table is not None:
                self.new_tables.add(table)
        for statement in _statements(backward):
            for rule, sentence in problems_of(statement, new_tables=self.new_tables):
                if rule in {"L010", "L011"}:
                    yield rule, sentence

    def create_other(self, operation: Operation) -> Iterator[Problem]:
        yield (
            "L010",
            f"{type(operation).__name__}: extensions and collations belong to the whole database "
            "and are made once, by the bootstrap, in the schema extensions.",
        )


# A subclass stands before its base.
_CHECKS: Final[tuple[tuple[type[Operation], Callable[..., Iterator[Problem]]], ...]] = (
    (plain.CreateModel, _Checker.create_model),
    (plain.DeleteModel, _Checker.delete_model),
    (plain.RenameModel, _Checker.rename_model),
    (plain.AlterModelTable, _Checker.alter_table),
    (plain.AlterOrderWithRespectTo, _Checker.order_with_respect_to),
    (plain.AddField, _Checker.add_field),
    (plain.RemoveField, _Checker.remove_field),
    (plain.RenameField, _Checker.rename_field),
    (plain.AlterField, _Checker.alter_field),
    (postgres.AddIndexConcurrently, _Checker.add_index_concurrently),
    (plain.AddIndex, _Checker.add_index),
    (postgres.AddConstraintNotValid, _Checker.add_not_valid),
    (postgres.ValidateConstraint, _Checker.validate),
    (plain.AddConstraint, _Checker.add_constraint),
    (plain.AlterUniqueTogether, _Checker.together),
    (plain.AlterIndexTogether, _Checker.together),
    (RunPython, _Checker.run_python),
    (RunSQL, _Checker.run_sql),
    (postgres.CreateExtension, _Checker.create_other),
    (postgres.CreateCollation, _Checker.create_other),
)


def _database_operations(operation: Operation) -> Iterator[Operation]:
    """What an operation does to the database: itself, or the half of it that is not the state's."""
    if isinstance(operation, plain.SeparateDatabaseAndState):
        for half in operation.database_operations:
            yield from _database_operations(half)
    else:
        yield operation


def _changes_schema(operation: Operation) -> bool:
    if isinstance(operation, RunSQL):
        return not all(_ROWS_ONLY.match(statement) for statement in _statements(operation.sql))
    return not isinstance(operation, (RunPython, *_STATE_ONLY))


def _is_concurrent_sql(operation: Operation) -> bool:
    return isinstance(operation, RunSQL) and all(
        " CONCURRENTLY " in statement.upper() for statement in _statements(operation.sql)
    )


def _statements(sql: Any) -> list[str]:
    """The statements of RunSQL's argument: a text, or a list of texts and of (text, parameters)."""
    if not sql:
        return []
    parts = [sql] if isinstance(sql, str) else sql
    return [part if isinstance(part, str) else part[0] for part in parts]


def _are_single(sql: Any) -> bool:
    if isinstance(sql, str):
        return not sql
    return all(has_one_statement(statement) for statement in _statements(sql))


def _values(name: str, added: AnyField) -> Iterator[Problem]:
    """What a new column holds in the rows that are there."""
    has_db_default = added.db_default is not NOT_PROVIDED
    if not added.null and not has_db_default:
        yield (
            "L001",
            f"{name} is NOT NULL without a default in the database: the release that still runs "
            "inserts rows without it. Give it db_default=…, or null=True now and NOT NULL in a "
            "later release.",
        )
    is_made = added.has_default() and callable(added.default) and added.default not in _CONSTANT
    if is_made and not has_db_default:
        yield (
            "L002",
            f"The default of {name} is a function, which runs once: all rows of all tenants would "
            "get the same value. Add it with null=True, fill it by RunPython in the next "
            "migration, then set the default.",
        )
    if has_db_default and _is_volatile(added.db_default):
        yield _rewrite(f"The db_default of {name} differs from row to row")


def _is_volatile(expression: Any) -> bool:
    if not isinstance(expression, Func):
        return False
    return any(
        isinstance(part, RandomUUID | Random)
        or str(getattr(part, "function", "")).lower() in _VOLATILE
        for part in expression.flatten()
    )


def _rewrite(what: str) -> Problem:
    return (
        "L003",
        f"{what}: PostgreSQL rewrites the table, and nobody reads it meanwhile. Add a nullable "
        "column, fill it by RunPython in the next migration, and drop the old one in a later "
        "release.",
    )


def _plain_index(what: str) -> Problem:
    return (
        "L005",
        f"{what} while all writers wait. Add the column without it (db_index=False), then "
        "AddIndexConcurrently in a migration of its own with atomic = False.",
    )


def _checked_at_once(what: str) -> Problem:
    return (
        "L006",
        f"{what}: PostgreSQL checks all rows while the table is locked. A CHECK or a foreign key: "
        "AddConstraintNotValid (RunSQL for the key), then ValidateConstraint in the next "
        "migration. A UNIQUE: CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX.",
    )


def _one_way(what: str, instead: str) -> Problem:
    return (
        "L012",
        f"{what} has no way back, so no migration before it can be taken back either. Write it, or "
        f"say that there is nothing to undo: {instead}.",
    )


def _type_of(column: AnyField) -> tuple[str, str | None]:
    """A column's type and collation, as Django would make it."""
    parameters = column.db_parameters(connection=_POSTGRESQL)
    return str(parameters.get("type")), getattr(column, "db_collation", None)


def _widens(old: tuple[str, str | None], new: tuple[str, str | None]) -> bool:
    """Whether PostgreSQL changes the type in its catalogue alone."""
    if old[1] != new[1]:
        return False
    before, after = _VARCHAR.match(old[0]), _VARCHAR.match(new[0])
    if before and new[0] == "text":
        return True
    if before and after:
        return after[1] is None or (before[1] is not None and int(after[1]) >= int(before[1]))
    numbers, wider = _NUMERIC.match(old[0]), _NUMERIC.match(new[0])
    return bool(numbers and wider and numbers[2] == wider[2] and int(wider[1]) >= int(numbers[1]))


def _has_foreign_key(column: AnyField) -> bool:
    return bool(column.is_relation and getattr(column, "db_constraint", False))
