"""Tries a release on copies of real tenants, with their rows, and tells what it would do to them.

A copy is a schema of its own, named `r_` and 12 characters, which no tenant's name is like: whatever
is left of a rehearsal that was killed is known by its name and dropped by the next one. No role can
use it, and nothing of the tenant itself is changed or locked beyond reading.
"""

import random
import re
import secrets
import string
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from shared_apps.tenants.fleet.detection import Member, members
from shared_apps.tenants.fleet.plans import Target, targets_of
from shared_apps.tenants.fleet.runs import fleet_alone, set_to
from shared_apps.tenants.fleet.workers import describe
from shared_apps.tenants.postgresql.catalogue import (
    Catalogue,
    PsycopgConnection,
    Table,
    read_catalogue,
)
from shared_apps.tenants.postgresql.template_ddl import schema_statements
from shared_apps.tenants.router import routed_to_owner
from shared_apps.tenants.schemas import owner_transaction

SHADOW_NAME: Final = re.compile(r"\Ar_[a-z0-9]{12}\Z")

# From the weakest to the strongest that matter to others; reading and writing rows blocks nobody.
# https://www.postgresql.org/docs/18/explicit-locking.html#LOCKING-TABLES
_LOCKS: Final = (
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
_HELD = """
    SELECT c.relname, l.mode FROM pg_locks AS l
      JOIN pg_class AS c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE l.pid = pg_backend_pid() AND n.nspname = %s
"""
_FILES = """
    SELECT c.relname, c.relfilenode FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_namespace'::regclass
       AND d.refobjid = %s::regnamespace AND c.relkind = 'r'
"""


@dataclass(frozen=True, slots=True)
class RehearsedStep:
    """One migration on one copy.

    Args:
        seconds: how long its transaction took.
        locks: table → the strongest lock that kept others out while it ran.
        rewritten: table → how many rows were written anew because the table was.
    """

    migration: str
    atomic: bool
    seconds: float
    locks: dict[str, str]
    rewritten: dict[str, int]


@dataclass
class Rehearsal:
    """The release on one tenant's copy. `error` is empty where it went well."""

    tenant: str
    rows: int
    bytes: int
    copied_seconds: float
    steps: list[RehearsedStep] = field(default_factory=list)
    error: str = ""

    @property
    def seconds(self) -> float:
        """What the release itself took."""
        return sum(step.seconds for step in self.steps)


class NobodyToRehearse(LookupError):
    """No tenant is left to try the release on."""


def rehearse_release(
    *, target: Target | None = None, only: Sequence[str] = (), sample: int = 3
) -> list[Rehearsal]:
    """Run the release on copies of tenants, and drop the copies.

    Args:
        only: subdomains or schema names; empty for a sample.
        sample: how many tenants, chosen at random.
    Raises:
        NobodyToRehearse: there is no such tenant.
        OwnerConnectionMissing: this process may not make schemas.
    Runs in: the tenants' schemas, reading; copies of them, as the owner. Needs their size on disk.
    """
    target = target or Target()
    chosen = _choose(only, sample)
    with fleet_alone():
        drop_leftovers()
        return [_rehearse(member, target) for member in chosen]


def drop_leftovers() -> int:
    """Drop the copies that a rehearsal which was killed has left. Returns how many.

    Runs in: the public schema, as the owner; one transaction for each copy.
    """
    with owner_transaction() as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^r_'")
        names = [name for (name,) in found.fetchall() if SHADOW_NAME.match(name)]
    for name in names:
        _drop(name)
    return len(names)


def _choose(only: Sequence[str], sample: int) -> list[Member]:
    tenants = [member for member in members() if member.tenant_id is not None]
    if only:
        chosen = [m for m in tenants if m.subdomain in only or m.schema_name in only]
        missing = set(only) - {m.subdomain for m in chosen} - {m.schema_name for m in chosen}
        if missing:
            raise NobodyToRehearse(
                f"There is no tenant called {', '.join(sorted(missing))}. "
                "`manage.py tenants list` shows them."
            )
        return chosen
    if not tenants:
        raise NobodyToRehearse("There is no tenant yet, so there is nothing to rehearse on.")
    return random.sample(tenants, min(sample, len(tenants)))


def _rehearse(member: Member, target: Target) -> Rehearsal:
    name = "r_" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
    rehearsal = Rehearsal(member.subdomain, 0, 0, 0.0)
    try:
        began = time.monotonic()
        rehearsal.rows, rehearsal.bytes = copy_with_rows(member.schema_name, name)
        rehearsal.copied_seconds = time.monotonic() - began
        _migrate(name, target, rehearsal)
    except Exception as error:  # noqa: BLE001 - it is what the rehearsal is for
        rehearsal.error = describe(error)
    finally:
        _drop(name)
    return rehearsal


def copy_with_rows(source: str, copy: str) -> tuple[int, int]:
    """Make a schema with the tables and the rows of another one, as of one moment.

    Returns:
        How many rows there are, and how many bytes they take with their indexes.
    Runs in: both schemas, as the owner, in one transaction.
    """
    with owner_transaction() as connection:
        catalogue = read_catalogue(connection, source)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(copy)))
        connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(copy)))
        statements = schema_statements(catalogue)
        connection.execute(";\n".join(statements).encode())
        rows = sum(_copy_rows(connection, table, source) for table in catalogue.tables)
        _go_on_counting(connection, catalogue, copy)
        size = connection.execute(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_depend AS d"
            " JOIN pg_class AS c ON c.oid = d.objid AND c.relkind = 'r'"
            " WHERE d.classid = 'pg_class'::regclass"
            " AND d.refclassid = 'pg_namespace'::regclass AND d.refobjid = %s::regnamespace",
            [copy],
        ).fetchone()
    return rows, int(size[0]) if size else 0


def _copy_rows(connection: PsycopgConnection, table: Table, source: str) -> int:
    columns = sql.SQL(", ").join(
        sql.Identifier(column.name) for column in table.columns if not column.generated
    )
    copied = connection.execute(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}").format(
            sql.Identifier(table.name), columns, columns, sql.Identifier(source, table.name)
        )
    )
    return copied.rowcount


def _go_on_counting(connection: PsycopgConnection, catalogue: Catalogue, copy: str) -> None:
    for sequence in catalogue.sequences:
        connection.execute(
            sql.SQL("SELECT setval({}, last_value, is_called) FROM {}").format(
                sql.Literal(sql.Identifier(copy, sequence.name).as_string()),
                sql.Identifier(catalogue.schema_name, sequence.name),
            )
        )


def _drop(name: str) -> None:
    if not SHADOW_NAME.match(name):
        raise ValueError(f"{name!r} is not a rehearsal's copy; only such a one is dropped here.")
    with owner_transaction() as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


# --- What a migration does to the copy ---------------------------------------------------------------


class _WatchingExecutor(MigrationExecutor):
    """Looks at each migration just before it commits."""

    def __init__(self, connection: Any, name: str, rehearsal: Rehearsal) -> None:
        super().__init__(connection)
        self.name = name
        self.rehearsal = rehearsal
        self.locks: dict[str, str] = {}

    def apply_migration(self, state: Any, migration: Any, *args: Any, **kwargs: Any) -> Any:
        return self._watch(super().apply_migration, state, migration, *args, **kwargs)

    def unapply_migration(self, state: Any, migration: Any, *args: Any, **kwargs: Any) -> Any:
        return self._watch(super().unapply_migration, state, migration, *args, **kwargs)

    def _watch(self, run: Any, state: Any, migration: Any, *args: Any, **kwargs: Any) -> Any:
        before = self._files()
        self.locks = {}
        began = time.monotonic()
        following = run(state, migration, *args, **kwargs)
        seconds = time.monotonic() - began
        after = self._files()
        rewritten = [table for table in before if table in after and before[table] != after[table]]
        self.rehearsal.steps.append(
            RehearsedStep(
                migration=f"{migration.app_label}.{migration.name}",
                atomic=bool(migration.atomic),
                seconds=seconds,
                locks=dict(self.locks),
                rewritten={table: self._count(table) for table in rewritten},
            )
        )
        return following

    def note_locks(self) -> None:
        """Keep the strongest lock on each table that the transaction holds now."""
        with self.connection.cursor() as cursor:
            cursor.execute(_HELD, [self.name])
            for table, mode in cursor.fetchall():
                known = self.locks.get(table, "")
                if mode in _LOCKS and (not known or _LOCKS.index(mode) > _LOCKS.index(known)):
                    self.locks[table] = mode

    def _files(self) -> dict[str, int]:
        with self.connection.cursor() as cursor:
            cursor.execute(_FILES, [self.name])
            return dict(cursor.fetchall())

    def _count(self, table: str) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)).as_string()
            )
            return int(cursor.fetchone()[0])


def _watching_editor(base: type[Any], executor: _WatchingExecutor) -> type[Any]:
    class WatchingEditor(base):  # type: ignore[misc]
        def __exit__(self, kind: object, value: object, traceback: object) -> None:
            if kind is None and self.atomic_migration:
                # What Django would run now, so that its locks are seen too.
                deferred: list[Any] = list(self.deferred_sql)
                self.deferred_sql.clear()
                for statement in deferred:
                    self.execute(statement, None)
                executor.note_locks()
            super().__exit__(kind, value, traceback)

    return WatchingEditor


def _migrate(name: str, target: Target, rehearsal: Rehearsal) -> None:
    with set_to(name) as connection, routed_to_owner():
        executor = _WatchingExecutor(connection, name, rehearsal)
        executor.loader.check_consistent_history(connection)
        editor = connection.SchemaEditorClass
        connection.SchemaEditorClass = _watching_editor(editor, executor)
        try:
            targets = targets_of(executor, target)
            executor.migrate(targets, executor.migration_plan(targets))
        finally:
            connection.SchemaEditorClass = editor
