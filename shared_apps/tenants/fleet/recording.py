"""Migrates one schema for real, and keeps what was sent: the canary of its group.

Django's own executor does the work. The schema editor tells each statement that it has run
(deferred ones too), the recorder each row of `django_migrations`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from shared_apps.tenants.fleet.concurrent_indexes import clear_the_way
from shared_apps.tenants.fleet.plans import Key, Target, targets_of
from shared_apps.tenants.router import routed_to_owner
from shared_apps.tenants.schemas import OWNER, owner_database

# Marks that a migration leaves in django_migrations.
APPLIED: Final = "applied"
UNAPPLIED: Final = "unapplied"
# Where marks go that no migration of the plan leaves: squashed ones.
_AFTERWARDS: Final[Key] = ("", "")


@dataclass(slots=True)
class Record:
    """What one migration sent and marked in one schema.

    Args:
        statements: single statements, with their parameters, without the schema's name.
        marks: (applied or unapplied, app, name), in their order.
    """

    key: Key
    atomic: bool
    statements: list[str] = field(default_factory=list)
    marks: list[tuple[str, str, str]] = field(default_factory=list)


# How many statements of a migration that is not atomic were done before it was cut short.
HalfDone = dict[Key, int]


@dataclass
class Recording:
    """What a whole plan sent, migration by migration.

    Args:
        half_done: what an earlier try of this schema has done.
        note_done: is told after each statement of a migration that is not atomic.
        has_signal_work: whether pre_migrate or post_migrate wrote anything.
    """

    half_done: HalfDone = field(default_factory=dict)
    note_done: Callable[[Key, int], None] = lambda key, count: None
    records: dict[Key, Record] = field(default_factory=dict)
    has_signal_work: bool = False
    current: Record | None = None

    @contextmanager
    def of(self, key: Key, *, atomic: bool) -> Iterator[None]:
        """What is sent in this block belongs to this migration."""
        # Anew: a try that failed has been rolled back.
        self.current = self.records[key] = Record(key, atomic)
        try:
            yield
        finally:
            self.current = None

    def mark(self, kind: str, app: str, name: str) -> None:
        """Keep a mark of django_migrations."""
        record = self.current or self.records.setdefault(
            _AFTERWARDS, Record(_AFTERWARDS, atomic=True)
        )
        record.marks.append((kind, app, name))

    def ordered(self) -> list[Record]:
        """The records in their order; what was marked afterwards is last."""
        last = self.records.get(_AFTERWARDS)
        others = [record for key, record in self.records.items() if key != _AFTERWARDS]
        return [*others, last] if last else others


class _TellingRecorder(MigrationRecorder):
    recording: Recording

    def record_applied(self, app: str, name: str) -> None:
        super().record_applied(app, name)
        self.recording.mark(APPLIED, app, name)

    def record_unapplied(self, app: str, name: str) -> None:
        super().record_unapplied(app, name)
        self.recording.mark(UNAPPLIED, app, name)


class _TellingExecutor(MigrationExecutor):
    def __init__(self, connection: Any, recording: Recording) -> None:
        super().__init__(connection)
        self.recording = recording
        self.recorder = _TellingRecorder(connection)
        self.recorder.recording = recording

    def apply_migration(self, state: Any, migration: Any, *args: Any, **kwargs: Any) -> Any:
        key = (migration.app_label, migration.name)
        with self.recording.of(key, atomic=bool(migration.atomic)):
            return super().apply_migration(state, migration, *args, **kwargs)

    def unapply_migration(self, state: Any, migration: Any, *args: Any, **kwargs: Any) -> Any:
        key = (migration.app_label, migration.name)
        with self.recording.of(key, atomic=bool(migration.atomic)):
            return super().unapply_migration(state, migration, *args, **kwargs)


def telling_editor(base: type[Any], recording: Recording) -> type[Any]:
    """A schema editor that tells what it runs, and passes over what an earlier try has done."""

    class TellingEditor(base):  # type: ignore[misc]
        def execute(self, sql: Any, params: Any = ()) -> Any:
            record = recording.current
            if record is None or self.collect_sql:
                return super().execute(sql, params)
            text = str(sql)
            if params is not None:
                text = self.connection.ops.compose_sql(text, params)
            record.statements.append(text)
            if self.atomic_migration:
                return super().execute(text, None)
            number = len(record.statements)
            if number > recording.half_done.get(record.key, 0):
                if not self.connection.in_atomic_block:
                    with self.connection.cursor() as cursor:
                        is_there = clear_the_way(cursor, text)
                    if not is_there:
                        super().execute(text, None)
                else:
                    super().execute(text, None)
                recording.note_done(record.key, number)
            return None

    return TellingEditor


def migrate_and_record(schema_name: str, target: Target, recording: Recording) -> bool:
    """Run Django's migrations in one schema, and keep what was sent.

    Returns:
        Whether there was anything to do.
    Raises:
        django.db.Error and whatever a migration raises: that migration is rolled back; what came
            before it stays, and stands in the recording.
    Runs in: that schema, as the owner, whose connection is set to it by the caller.
    """
    connection = owner_database()
    with routed_to_owner(), _editor_of(connection, recording):
        executor = _TellingExecutor(connection, recording)
        executor.loader.check_consistent_history(connection)
        targets = targets_of(executor, target)
        plan = executor.migration_plan(targets)
        recording.has_signal_work = _writes(connection, emit_pre_migrate_signal, plan)
        executor.migrate(targets, plan, fake=target.fake, fake_initial=target.fake_initial)
        recording.has_signal_work |= _writes(connection, emit_post_migrate_signal, plan)
        return bool(plan or recording.records)


def emit_signals(plan: list[Any], *, before: bool) -> None:
    """Let pre_migrate or post_migrate handlers work in the schema that the owner is set to."""
    emit = emit_pre_migrate_signal if before else emit_post_migrate_signal
    with routed_to_owner():
        emit(verbosity=0, interactive=False, db=OWNER, plan=plan)


def _writes(connection: Any, emit: Any, plan: list[Any]) -> bool:
    """Emit the signal, and tell whether a handler sent anything but a question."""
    found = False

    def look(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 - Django's signature
        nonlocal found
        word = str(sql).lstrip().split(None, 1)[0].upper()
        found |= word not in {"SELECT", "SET", "SAVEPOINT", "RELEASE", "BEGIN", "SHOW"}
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        emit(verbosity=0, interactive=False, db=OWNER, plan=plan)
    return found


@contextmanager
def _editor_of(connection: Any, recording: Recording) -> Iterator[None]:
    before = connection.SchemaEditorClass
    connection.SchemaEditorClass = telling_editor(before, recording)
    try:
        yield
    finally:
        connection.SchemaEditorClass = before
