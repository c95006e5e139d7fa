"""Which protocol a statement goes over: never one that would run a second statement.

PostgreSQL's grammar knows one end of a statement, the character `;` (src/backend/parser/gram.y,
stmtmulti). client_encoding is UTF-8, in which no other character's bytes hold that one.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import ProgrammingError, connection, transaction
from psycopg.pq import Trace, TransactionStatus

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import StatementRefused, TenantNotFound


def _messages(statement: str, folder: Path, params: list[object] | None = None) -> set[str]:
    """The kinds of the client's messages that carried a statement (libpq's PQtrace)."""
    file = folder / "trace"
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        pgconn = connection.connection.pgconn
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        pgconn.trace(descriptor)
        pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, params)
        finally:
            pgconn.untrace()
            os.close(descriptor)
    return set(re.findall(r"^F\t\d+\t(Query|Parse)\b", file.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("statement", "params", "message"),
    [
        ("SELECT 1", None, "Query"),
        ("SELECT %s", ["a"], "Query"),
        ("SELECT 1;", None, "Parse"),
        ("SELECT ';'", None, "Parse"),
        ("SELECT %s", ["a;b"], "Parse"),
        ("SELECT 1 -- ;", None, "Parse"),
    ],
)
def test_statement_with_a_semicolon_goes_over_the_extended_protocol(
    in_acme: TenantRef,
    tmp_path: Path,
    statement: str,
    params: list[object] | None,
    message: str,
) -> None:
    assert _messages(statement, tmp_path, params) == {message}


@pytest.fixture
def at_home(cast: dict[str, TenantRef], committing_db: None) -> Iterator[TenantRef]:
    """Inside acme, with transactions that really begin and end."""
    with context.run_in(cast["acme"]):
        yield cast["acme"]


def test_first_statement_goes_with_its_lock(at_home: TenantRef) -> None:
    """One message: nothing is waited for between the lock and the statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('search_path')")
        assert cursor.rowcount == 1
        assert cursor.fetchone() == (at_home.schema_name, f"{at_home.schema_name}, extensions")
        assert not cursor.nextset(), "the lock's own results are seen"
        assert cursor.statusmessage == "SELECT 1"


def test_statement_that_fails_after_its_lock_shows_itself(at_home: TenantRef) -> None:
    with pytest.raises(ProgrammingError, match=r"LINE 2: SELECT nothing"):
        connection.cursor().execute("SELECT nothing")
    assert connection.connection.info.transaction_status == TransactionStatus.IDLE
    with pytest.raises(ProgrammingError, match="does not exist"), transaction.atomic():
        connection.cursor().execute("SELECT nothing")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (at_home.schema_name,)


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT ';'"])
@pytest.mark.parametrize("in_transaction", [True, False])
def test_statement_of_an_erased_tenant_never_runs(
    at_home: TenantRef, statement: str, in_transaction: bool
) -> None:
    """Its role is gone: PostgreSQL stops at the lock, before the statement in the same message."""
    erased = replace(at_home, schema_name="t_neverthere00")
    with context.run_in(erased):
        for _ in range(2):
            with pytest.raises(TenantNotFound, match="t_neverthere00"):
                if in_transaction:
                    with transaction.atomic():
                        connection.cursor().execute(statement)
                else:
                    connection.cursor().execute(statement)
            assert connection.connection.info.transaction_status == TransactionStatus.IDLE
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (at_home.schema_name,)


def test_refused_statement_begins_no_transaction(at_home: TenantRef) -> None:
    with transaction.atomic():
        with pytest.raises(StatementRefused):
            connection.cursor().execute("SET ROLE NONE")
        assert connection.connection.info.transaction_status == TransactionStatus.IDLE
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (at_home.schema_name,)


def test_second_statement_is_refused_by_postgresql(in_acme: TenantRef) -> None:
    with (
        pytest.raises(ProgrammingError, match="multiple commands"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1; SELECT 2")


def test_client_encoding_is_utf8(in_acme: TenantRef) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW client_encoding")
        assert cursor.fetchone() == ("UTF8",)
