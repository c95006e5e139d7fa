"""Brings one more schema to where the canary of its group is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from psycopg import errors as pg_errors
from psycopg import sql
from psycopg.pq import ExecStatus, TransactionStatus

from shared_apps.tenants.fleet.concurrent_indexes import clear_the_way
from shared_apps.tenants.fleet.locks import schema_lock_key
from shared_apps.tenants.fleet.plans import Plan, Step, run_prepared
from shared_apps.tenants.fleet.recording import (
    APPLIED,
    HalfDone,
    Record,
    Recording,
    emit_signals,
    telling_editor,
)
from shared_apps.tenants.postgresql.catalogue import MIGRATIONS_TABLE
from shared_apps.tenants.router import routed_to_owner
from shared_apps.tenants.schemas import OWNER, owner_database

LOCK_TIMEOUT_MS: Final = 2000
# Somebody else held a lock, or the two of us waited for each other: worth another try.
RETRIED: Final = (pg_errors.LockNotAvailable, pg_errors.DeadlockDetected)


@dataclass(frozen=True, slots=True)
class Job:
    """What a group's members get, whole before the first process is forked.

    Args:
        has_signal_work: whether pre_migrate or post_migrate handlers wrote rows in the canary.
    """

    plan: Plan
    records: Sequence[Record]
    has_signal_work: bool
    lock_timeout_ms: int = LOCK_TIMEOUT_MS


def migrate_like_canary(
    schema_name: str, job: Job, *, half_done: HalfDone, note_done: Callable[[HalfDone], None]
) -> None:
    """Do in this schema what the canary's record says, each migration whole or not at all.

    Args:
        half_done: what an earlier try has done of migrations without a transaction.
        note_done: is told each time that another statement of such a one is done.
    Raises:
        django.db.Error, psycopg.Error and whatever a migration raises: what came before stays.
    Runs in: that schema, as the owner.
    """
    connection = owner_database()
    connection.ensure_connection()
    steps = {step.key: step for step in job.plan.steps}
    plan = [(step.migration, step.backwards) for step in job.plan.steps]
    if job.has_signal_work:
        with _set_to(connection, schema_name):
            emit_signals(plan, before=True)
    for record in job.records:
        step = steps.get(record.key)
        if step is not None and step.why_run:
            _run(connection, schema_name, job, step, record, half_done, note_done)
        elif record.atomic:
            _replay(connection, schema_name, job, record)
        else:
            _replay_one_by_one(connection, schema_name, job, record, half_done, note_done)
    if job.has_signal_work:
        with _set_to(connection, schema_name):
            emit_signals(plan, before=False)


# --- Replayed ----------------------------------------------------------------------------------------


def _replay(connection: Any, schema_name: str, job: Job, record: Record) -> None:
    """One transaction, and one round trip unless the database wants DDL one by one."""
    statements = [
        "BEGIN",
        *_preamble(schema_name, job),
        _guard(record),
        *record.statements,
        *map(_mark, record.marks),
        "COMMIT",
    ]
    try:
        _send(connection, statements)
    except pg_errors.DivisionByZero:
        # The guard's, or a division in the migration: the migrations table tells which.
        if not _is_marked(connection, schema_name, record):
            raise


def _replay_one_by_one(
    connection: Any,
    schema_name: str,
    job: Job,
    record: Record,
    half_done: HalfDone,
    note_done: Callable[[HalfDone], None],
) -> None:
    """Each statement by itself, as a migration with `atomic = False` runs."""
    if _is_marked(connection, schema_name, record):
        return
    with _set_to(connection, schema_name), _patience(connection, job):
        for number, statement in enumerate(record.statements, start=1):
            if number <= half_done.get(record.key, 0):
                continue
            with connection.cursor() as cursor:
                if not clear_the_way(cursor, statement):
                    cursor.execute(statement)
            half_done[record.key] = number
            note_done(half_done)
        _send(
            connection,
            ["BEGIN", *_preamble(schema_name, job), *map(_mark, record.marks), "COMMIT"],
        )


def _preamble(schema_name: str, job: Job) -> list[str]:
    path = sql.SQL(", ").join(map(sql.Identifier, [schema_name, *settings.PG_EXTRA_SEARCH_PATHS]))
    return [
        f"SET LOCAL search_path = {path.as_string()}",
        f"SET LOCAL lock_timeout = {job.lock_timeout_ms}",
        # No wait for the disk: DDL and mark come back together or not at all, and the ledger, whose
        # own commit waits for all that came before it, is written afterwards.
        "SET LOCAL synchronous_commit = off",
        f"SELECT pg_advisory_xact_lock({schema_lock_key(schema_name)})",
    ]


def _guard(record: Record) -> str:
    """A statement that fails where another process has done this record meanwhile."""
    wanted = [
        sql.SQL("({}, {}, {})").format(app, name, kind != APPLIED)
        for kind, app, name in record.marks
    ]
    if not wanted:
        return "SELECT 1"
    return (
        sql.SQL(
            "SELECT 1 / (NOT EXISTS (SELECT FROM (VALUES {wanted}) AS w (app, name, there)"
            " WHERE EXISTS (SELECT FROM {table} AS m WHERE m.app = w.app AND m.name = w.name)"
            " <> w.there))::int"
        )
        .format(wanted=sql.SQL(", ").join(wanted), table=sql.Identifier(MIGRATIONS_TABLE))
        .as_string()
    )


def _mark(mark: tuple[str, str, str]) -> str:
    kind, app, name = mark
    table = sql.Identifier(MIGRATIONS_TABLE)
    text = (
        "INSERT INTO {table} (app, name, applied) VALUES ({app}, {name}, CURRENT_TIMESTAMP)"
        if kind == APPLIED
        else "DELETE FROM {table} WHERE app = {app} AND name = {name}"
    )
    return sql.SQL(text).format(table=table, app=app, name=name).as_string()


def _is_marked(connection: Any, schema_name: str, record: Record) -> bool:
    """Whether the migrations table says already what this record would make it say."""
    with connection.cursor() as cursor:
        cursor.execute(_marked_query(record, schema_name))
        (is_marked,) = cursor.fetchone()
    return bool(is_marked)


def _marked_query(record: Record, *schema: str) -> str:
    """Asks that, in the schema that is named or set."""
    if not record.marks:
        return "SELECT false"
    kind, app, name = record.marks[-1]
    return (
        sql.SQL("SELECT {there} EXISTS (SELECT FROM {table} WHERE app = {app} AND name = {name})")
        .format(
            there=sql.SQL("" if kind == APPLIED else "NOT"),
            table=sql.Identifier(*schema, MIGRATIONS_TABLE),
            app=app,
            name=name,
        )
        .as_string()
    )


def _send(connection: Any, statements: Sequence[str]) -> None:
    """Send statements over the simple protocol: one message, or one each where Citus wants it.

    Raises:
        psycopg.Error: PostgreSQL refused one; the transaction is taken back.
    """
    pgconn = connection.connection.pgconn
    # On lines of their own: a statement may end with a comment.
    messages = statements if settings.TERRACE_DDL_ONE_BY_ONE else ["\n;\n".join(statements)]
    for message in messages:
        result = pgconn.exec_(message.encode())
        if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
            error = pg_errors.error_from_result(result, encoding="utf-8")
            if pgconn.transaction_status != TransactionStatus.IDLE:
                pgconn.exec_(b"ROLLBACK")
            raise error


# --- Run in the schema ---------------------------------------------------------------------------------


def _run(
    connection: Any,
    schema_name: str,
    job: Job,
    step: Step,
    record: Record,
    half_done: HalfDone,
    note_done: Callable[[HalfDone], None],
) -> None:
    """Run a migration's operations with the states that were rendered for all."""

    def note(key: tuple[str, str], count: int) -> None:
        half_done[key] = count
        note_done(half_done)

    told = Recording(half_done=dict(half_done), note_done=note)
    editor_class = telling_editor(connection.SchemaEditorClass, told)
    with _set_to(connection, schema_name), routed_to_owner(), told.of(step.key, atomic=step.atomic):
        if step.atomic:
            # A statement of search_path before each query would double a data migration's trips.
            with editor_class(connection, atomic=True) as editor, connection.path_set_by_hand():
                if _begin(connection, schema_name, job, record):
                    return
                _run_operations(job, step, editor)
                _write_marks(connection, record)
                # What Django's editor would run at its end, while the path is still ours.
                deferred: list[Any] = list(editor.deferred_sql)
                editor.deferred_sql.clear()
                for statement in deferred:
                    editor.execute(statement, None)
        elif not _is_marked(connection, schema_name, record):
            with _patience(connection, job):
                with editor_class(connection, atomic=False) as editor:
                    _run_operations(job, step, editor)
                with transaction.atomic(using=OWNER):
                    _write_marks(connection, record)


def _run_operations(job: Job, step: Step, editor: Any) -> None:
    run_prepared(
        job.plan.prepared[step.key],
        step.migration,
        editor,
        backwards=step.backwards,
        in_transaction=lambda: transaction.atomic(using=OWNER),
    )


def _begin(connection: Any, schema_name: str, job: Job, record: Record) -> bool:
    """Lock and set the transaction that has begun, in one round trip.

    Returns:
        Whether another process has made this record's marks meanwhile.
    """
    statements = [*_preamble(schema_name, job), _marked_query(record)]
    messages = statements if settings.TERRACE_DDL_ONE_BY_ONE else [";\n".join(statements)]
    with connection.cursor() as cursor:
        for message in messages:
            cursor.execute(message)
        while cursor.nextset():
            pass
        (is_marked,) = cursor.fetchone()
    return bool(is_marked)


def _write_marks(connection: Any, record: Record) -> None:
    with connection.cursor() as cursor:
        for mark in record.marks:
            cursor.execute(_mark(mark))


# --- The connection ----------------------------------------------------------------------------------


@contextmanager
def _set_to(connection: Any, schema_name: str) -> Iterator[None]:
    """Django's cursors of the owner work in this schema, until the block ends."""
    connection.set_schema(schema_name)
    try:
        yield
    finally:
        connection.set_schema_to_public()


@contextmanager
def _patience(connection: Any, job: Job) -> Iterator[None]:
    """A lock_timeout for statements outside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {job.lock_timeout_ms}")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
