"""The database backend: what goes over the wire, and what it does to the connection."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from psycopg.pq import Trace, TransactionStatus

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import LockBypassed, StatementRefused
from tests.isolation.probe.models import Note

Wire = Callable[[], list[str]]


@pytest.fixture
def wire(committing_db: None, tmp_path: Path) -> Iterator[Wire]:
    """What this client has sent since: libpq's own trace of the protocol's messages."""
    connection.ensure_connection()
    pgconn = connection.connection.pgconn
    path = tmp_path / "trace"
    trace = path.open("wb")
    pgconn.trace(trace.fileno())
    pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

    def sent() -> list[str]:
        pgconn.untrace()
        # A message that holds a line's end is more than one line of the trace.
        lines = re.sub(r"\n(?![FB]\t)", " ", path.read_text()).splitlines()
        # F for frontend, the length, the message's kind, its content.
        return [
            re.sub(r"\s+", " ", line.split("\t", 2)[2])
            for line in lines
            if re.match(r"F\t\d+\t(Query|Parse)\b", line)
        ]

    yield sent
    pgconn.untrace()
    trace.close()


def test_transaction_is_locked_in_one_message(cast: dict[str, TenantRef], wire: Wire) -> None:
    schema = cast["acme"].schema_name
    with context.run_in(cast["acme"]), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.execute("SELECT ';'")
    begin, *rest = wire()
    assert begin.strip().removeprefix("Query").strip() == (
        f'"BEGIN ISOLATION LEVEL READ COMMITTED;SET LOCAL ROLE "{schema}";'
        f'SET LOCAL search_path="{schema}","extensions"; SELECT 1"'
    )
    assert [line.split('"')[0].strip() for line in rest] == ["Parse", "Query"]
    assert "COMMIT" in rest[-1]


def test_empty_transaction_costs_no_message(cast: dict[str, TenantRef], wire: Wire) -> None:
    with context.run_in(cast["acme"]), transaction.atomic():
        pass
    assert wire() == []


def test_switch_within_a_transaction_is_one_message(cast: dict[str, TenantRef], wire: Wire) -> None:
    acme, globex = cast["acme"], cast["globex"]
    with transaction.atomic(), connection.cursor() as cursor:
        for where in (context.run_in(acme), context.run_in(globex), context.run_in_public()):
            with where:
                cursor.execute("SELECT 1")
                cursor.execute("SELECT 1")
    sent = wire()
    locks = [line for line in sent if "SET LOCAL" in line]
    assert ["BEGIN" in line for line in locks] == [True, False, False]
    assert [name in line for line, name in zip(
        locks, (acme.schema_name, globex.schema_name, "ROLE NONE"), strict=True)] == [True] * 3  # fmt: skip
    # The first lock goes with a statement: six of those, two locks, COMMIT.
    assert len(sent) == 6 + 2 + 1


def test_psycopg_still_sends_as_we_pin_it() -> None:
    """`_execute_send(query, *, force_extended, binary)` and `_send_prepare(name, query)` are
    psycopg's own. Where they change, the locks must be looked at again."""
    for kind in (psycopg.Cursor, psycopg.ClientCursor, psycopg.ServerCursor):
        parameters = inspect.signature(kind._execute_send).parameters
        assert list(parameters) == ["self", "query", "force_extended", "binary"]
        assert list(inspect.signature(kind._send_prepare).parameters) == ["self", "name", "query"]
    source = inspect.getsource(psycopg.ClientCursor._execute_send)
    assert "elif force_extended:\n            self._pgconn.send_query_params" in source
    senders = [
        name
        for name, member in inspect.getmembers(psycopg.ClientCursor, inspect.isfunction)
        if "send_query(" in inspect.getsource(member)
    ]
    assert senders == ["_execute_send"], "another way to the simple protocol"
    # The lock's results are taken out of the list between these two.
    assert list(inspect.signature(psycopg.Cursor._check_results).parameters) == ["self", "results"]
    source = inspect.getsource(psycopg.Cursor._maybe_prepare_gen)
    assert "self._check_results(results)\n        self._set_results(results)" in source


@pytest.mark.parametrize("parameters", [None, [], ["x"]])
def test_two_statements_are_refused_by_the_protocol(
    parameters: Any, cast: dict[str, TenantRef], committing_db: None
) -> None:
    text = "SELECT %s; SELECT 2" if parameters else "SELECT 1; SELECT 2"
    with (
        context.run_in(cast["acme"]),
        connection.cursor() as cursor,
        pytest.raises(Exception, match="cannot insert multiple commands"),
    ):
        cursor.execute(text, parameters)


@pytest.mark.parametrize("options", [{}, {"server_side_binding": True}])
def test_every_way_to_a_cursor_is_locked(
    options: dict[str, Any], cast: dict[str, TenantRef], committing_db: None
) -> None:
    other = connections["default"].copy()
    other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], **options}
    schema = cast["acme"].schema_name
    try:
        with context.run_in(cast["acme"]), other.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (schema,)
            cursor.executemany("SELECT current_user, %s::int", [(1,), (2,)])
            assert [row[0] for row in cursor.stream("SELECT current_user")] == [schema]
            with cursor.copy("COPY (SELECT current_user) TO STDOUT") as copy:
                assert b"".join(copy).decode().strip() == schema
            with pytest.raises(StatementRefused), cursor.copy("SET ROLE NONE"):
                pass
            with pytest.raises(StatementRefused):
                cursor.executemany("SET ROLE %s", [("x",)])
            with pytest.raises(StatementRefused):
                list(cursor.stream("SET ROLE NONE"))
        assert other.connection.info.transaction_status == TransactionStatus.IDLE
    finally:
        other.close()


def test_cursors_that_are_not_djangos_are_refused(committing_db: None) -> None:
    connection.ensure_connection()
    raw = connection.connection
    for use in (
        lambda: raw.execute("SELECT 1"),
        lambda: raw.cursor().execute("SELECT 1"),
        lambda: raw.cursor().executemany("SELECT 1", []),
        lambda: list(raw.cursor().stream("SELECT 1")),
        lambda: raw.cursor().copy("COPY (SELECT 1) TO STDOUT").__enter__(),
    ):
        with pytest.raises(LockBypassed):
            use()
    with raw.cursor("named") as named, pytest.raises(LockBypassed):
        named.execute("SELECT 1")


def test_django_tenants_switches_are_refused(
    cast: dict[str, TenantRef], committing_db: None
) -> None:
    for switch in (
        lambda: connection.set_schema(cast["acme"].schema_name),
        lambda: connection.set_tenant(cast["acme"]),
    ):
        with pytest.raises(LockBypassed, match="run_in"):
            switch()
    connection.set_schema_to_public()  # what django-tenants does by itself changes nothing
    with context.run_in(cast["acme"]), connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (cast["acme"].schema_name,)


def test_copy_keeps_the_tenant_it_began_in(cast: dict[str, TenantRef], committing_db: None) -> None:
    with context.run_in(cast["acme"]), transaction.atomic(), connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
            with (
                context.run_in(cast["globex"]),
                connection.cursor() as other,
                pytest.raises(Exception, match="busy"),
            ):
                other.execute("SELECT 1")
            b"".join(copy)
        transaction.set_rollback(True)


def test_statement_of_its_own_is_committed(cast: dict[str, TenantRef], committing_db: None) -> None:
    with context.run_in(cast["acme"]):
        note = Note.objects.create(text="kept")
        connection.close()
        assert Note.objects.filter(pk=note.pk).delete()[0] == 1


def test_time_zone_of_the_settings_is_set_without_set_config(
    cast: dict[str, TenantRef], committing_db: None
) -> None:
    other = connections["default"].copy()
    other.settings_dict["TIME_ZONE"] = "Europe/Paris"
    try:
        with context.run_in(cast["acme"]), other.cursor() as cursor:
            cursor.execute("SHOW timezone")
            assert cursor.fetchone() == ("Europe/Paris",)
    finally:
        other.close()


def test_locks_cost_no_queries_that_django_counts(
    cast: dict[str, TenantRef], committing_db: None
) -> None:
    with context.run_in(cast["acme"]), CaptureQueriesContext(connection) as captured:
        list(Note.objects.all())
    assert len(captured) == 1


def test_backend_is_recycled_at_the_beginning_of_a_transaction(
    cast: dict[str, TenantRef], committing_db: None, settings: Any
) -> None:
    """Requests run in one: that is where an old backend must be left."""
    settings.TERRACE_TENANTS_PER_BACKEND = 2
    pids = []
    for subdomain in ("acme", "globex", "acme", "globex"):
        with context.run_in(cast[subdomain]), transaction.atomic():
            Note.objects.count()
            pids.append(connection.connection.info.backend_pid)
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_roles_switched_off_leave_two_locks(
    cast: dict[str, TenantRef], committing_db: None, settings: Any, wire: Wire
) -> None:
    settings.TERRACE_TENANT_ROLES = False
    with context.run_in(cast["acme"]), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        assert cursor.fetchone() == (f"{cast['acme'].schema_name}, extensions",)
    assert "SET LOCAL ROLE NONE" in wire()[0]
