"""Ways to put a tenant's schema and role on a query, side by side, below Django.

    python -m tests.benchmarks.locks [--rounds N]

One "request" is one indexed query of 20 rows, or five, for one tenant; the next request is the next
tenant's. docs/decisions/0002-set-local-with-begin.md says what came of it. Needs DATABASE_URL,
DATABASE_ADMIN_URL and DATABASE_SUPERUSER_URL; makes a database of its own there and drops it.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from statistics import median
from time import perf_counter_ns
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.benchmarks.databases import Database, terrace_database
from tests.benchmarks.report import Report
from tests.benchmarks.requests import paired_ratio

TENANTS = 8
REQUESTS = 40
QUERIES = (1, 5)
QUERY = "SELECT id, title FROM articles WHERE state = 'published' ORDER BY id DESC LIMIT 20"

Connection = psycopg.Connection[tuple[Any, ...]]
Way = Callable[[Connection, str, int], None]


def _ask(connection: Connection, queries: int) -> None:
    for _ in range(queries):
        with connection.cursor() as cursor:
            rows = cursor.execute(QUERY).fetchall()
        if len(rows) != 20:
            raise RuntimeError(f"{len(rows)} rows came for 20.")


class _ExtendedCursor(psycopg.ClientCursor[tuple[Any, ...]]):
    """Sends Parse, Bind, Describe, Execute, Sync instead of one Query."""

    def _execute_send(self, query: Any, **options: Any) -> None:
        super()._execute_send(query, **{**options, "force_extended": True})


def bare(connection: Connection, schema: str, queries: int) -> None:
    """No lock, no transaction. Reads public."""
    _ask(connection, queries)


def transaction(connection: Connection, schema: str, queries: int) -> None:
    """No lock; psycopg sends BEGIN: what ATOMIC_REQUESTS costs."""
    _ask(connection, queries)
    connection.commit()


def set_local_with_begin(connection: Connection, schema: str, queries: int) -> None:
    """Terrace: BEGIN, role and path in one message of the simple protocol."""
    connection.pgconn.exec_(
        f'BEGIN;SET LOCAL ROLE "{schema}";SET LOCAL search_path="{schema}"'.encode()
    )
    _ask(connection, queries)
    connection.commit()


def set_local_extended(connection: Connection, schema: str, queries: int) -> None:
    """The same, with the queries forced over the extended protocol."""
    pgconn = connection.pgconn
    pgconn.exec_(f'BEGIN;SET LOCAL ROLE "{schema}";SET LOCAL search_path="{schema}"'.encode())
    for _ in range(queries):
        with _ExtendedCursor(connection) as cursor:
            cursor.execute(QUERY).fetchall()
    connection.commit()


def set_local_in_pipeline(connection: Connection, schema: str, queries: int) -> None:
    """The three statements in psycopg's pipeline."""
    with connection.pipeline():
        connection.execute("BEGIN")
        connection.execute(f'SET LOCAL ROLE "{schema}"'.encode())
        connection.execute(f'SET LOCAL search_path="{schema}"'.encode())
        _ask(connection, queries)
    connection.commit()


def _session_state(connection: Connection, schema: str) -> None:
    connection.pgconn.exec_(f'SET ROLE "{schema}";SET search_path="{schema}"'.encode())


def kept_on_connection(connection: Connection, schema: str, queries: int) -> None:
    """The other way: SET for the session, when it differs from what our attribute says is set."""
    state = connection.__dict__
    for _ in range(queries):
        if state.get("terrace_schema") != schema:
            _session_state(connection, schema)
            state["terrace_schema"] = schema
        _ask(connection, 1)


def kept_and_reported(connection: Connection, schema: str, queries: int) -> None:
    """The other way, believing the server: PostgreSQL 18 reports search_path (the role it does not)."""
    for _ in range(queries):
        if connection.info.parameter_status("search_path") != schema:
            _session_state(connection, schema)
        _ask(connection, 1)


def kept_in_transaction(connection: Connection, schema: str, queries: int) -> None:
    """The other way, with the transaction that ATOMIC_REQUESTS asks for."""
    state = connection.__dict__
    if state.get("terrace_schema") != schema:
        _session_state(connection, schema)
        connection.commit()
        state["terrace_schema"] = schema
    _ask(connection, queries)
    connection.commit()


def set_before_each_cursor(connection: Connection, schema: str, queries: int) -> None:
    """Stock django-tenants: SET search_path before each cursor; no role."""
    for _ in range(queries):
        with connection.cursor() as cursor:
            cursor.execute(f'SET search_path="{schema}",public'.encode())
        _ask(connection, 1)


WAYS: dict[str, Way] = {
    "query alone": bare,
    "BEGIN, query, COMMIT": transaction,
    "SET LOCAL with BEGIN": set_local_with_begin,
    "  extended protocol": set_local_extended,
    "  in a pipeline": set_local_in_pipeline,
    "kept on the connection": kept_on_connection,
    "  told by parameter_status": kept_and_reported,
    "  and BEGIN, COMMIT": kept_in_transaction,
    "SET before each cursor": set_before_each_cursor,
}
BASE = "BEGIN, query, COMMIT"
CHOSEN = "SET LOCAL with BEGIN"
OTHER = "  and BEGIN, COMMIT"


def make_tenants(database: Database) -> list[str]:
    """Schemas with a role and a table of 200 rows each; and the same table in public."""
    names = [f"t_bench{number:07}" for number in range(TENANTS)]
    app = urlsplit(database.app_url).username
    table = (
        "CREATE TABLE articles (id bigint PRIMARY KEY, title text, state text); "
        "INSERT INTO articles SELECT n, 'Article ' || n, 'published' FROM generate_series(1, 200) n"
    )
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(table.encode())
        for name in names:
            connection.execute(
                f'CREATE ROLE "{name}"; CREATE SCHEMA "{name}"; SET search_path = "{name}"; {table};'
                f'GRANT USAGE ON SCHEMA "{name}" TO "{name}";'
                f'GRANT SELECT ON "{name}".articles TO "{name}";'
                f'GRANT "{name}" TO "{app}" WITH INHERIT FALSE, SET TRUE'.encode()
            )
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        # The baselines read public, and stock has no roles.
        connection.execute(f'GRANT SELECT ON public.articles TO "{app}"'.encode())
    return names


def connect(database: Database, way: str) -> Connection:
    """As Django connects: parameters bound by the client, nothing prepared."""
    # Stock's role may read every schema.
    url = database.owner_url if way == "SET before each cursor" else database.app_url
    connection: Connection = psycopg.connect(
        url, autocommit=True, cursor_factory=psycopg.ClientCursor, prepare_threshold=None
    )
    connection.execute("SET search_path = public")
    connection.autocommit = WAYS[way] not in {transaction, kept_in_transaction}
    return connection


def rounds_of(
    connections: dict[str, Connection], schemas: list[str], queries: int, rounds: int
) -> dict[str, list[float]]:
    """Microseconds a request of each way in each round; the ways take turns."""
    names = list(WAYS)
    turns: dict[str, Iterator[str]] = {name: cycle(schemas) for name in names}
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-3, rounds):  # three to warm up
        first = number % len(names)
        for name in names[first:] + names[:first]:
            way, connection, turn = WAYS[name], connections[name], turns[name]
            times = []
            for _ in range(REQUESTS):
                schema = next(turn)
                begun = perf_counter_ns()
                way(connection, schema, queries)
                times.append((perf_counter_ns() - begun) / 1000)
            if number >= 0:
                taken[name].append(median(times))
    return taken


def run(rounds: int) -> int:
    """All ways over one tenant and over all; the exit status."""
    report = Report("locks")
    with terrace_database("terrace_bench_locks") as database, ExitStack() as stack:
        names = make_tenants(database)
        for schemas in (names[:1], names):
            for queries in QUERIES:
                connections = {way: stack.enter_context(connect(database, way)) for way in WAYS}
                taken = rounds_of(connections, schemas, queries, rounds)
                for connection in connections.values():
                    connection.close()
                title = f"{queries} queries, {len(schemas)} tenants"
                _show(report, title, taken)
                if len(schemas) > 1:
                    _judge(report, title, taken)
    return report.finish()


def _show(report: Report, title: str, taken: dict[str, list[float]]) -> None:
    report.table(
        [title, "median µs", f"of {BASE}"],
        [
            (name, f"{median(values):.0f}", f"{paired_ratio(values, taken[BASE]):.3f}")
            for name, values in taken.items()
        ],
    )


def _judge(report: Report, title: str, taken: dict[str, list[float]]) -> None:
    """What was chosen costs no more than the other way with the transaction that we want."""
    ratio = paired_ratio(taken[CHOSEN], taken[OTHER])
    report.goal(f"{title}: {CHOSEN} / kept and BEGIN, COMMIT", ratio, "at most 1", ratio <= 1)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="bench locks", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    return run(parser.parse_args().rounds)


if __name__ == "__main__":
    sys.exit(main())
