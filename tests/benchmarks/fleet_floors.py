"""What PostgreSQL alone takes for what a fleet's migrations send: no program can be faster."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus

from tests.benchmarks.fleet_sides import TABLES, Fleet

Work = Callable[[psycopg.Connection[Any], str], None]


def add_field(fleet: Fleet) -> float:
    """Seconds of a new column with an index in each schema, the statements alone; taken back after."""
    seconds = _on_each(fleet, _add_field)
    _on_each(fleet, _drop_field)
    return seconds


def update_at_once(fleet: Fleet) -> float:
    """Seconds of one UPDATE of all articles in each schema."""
    return _on_each(fleet, _update_rows)


def save_row_by_row(fleet: Fleet) -> float:
    """Seconds of reading the articles of each schema and an UPDATE for each of them."""
    return _on_each(fleet, _save_rows)


def _on_each(fleet: Fleet, work: Work) -> float:
    """Seconds that it takes in all schemas, on as many connections as a run has."""
    count = 2 * (os.cpu_count() or 1)

    def go(part: Sequence[str]) -> None:
        with psycopg.connect(fleet.database.owner_url, autocommit=True) as connection:
            for schema in part:
                work(connection, schema)

    begun = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(go, [fleet.houses[start::count] for start in range(count)]))
    return time.perf_counter() - begun


def _send(connection: psycopg.Connection[Any], schema: str, statements: str) -> None:
    """One message, one transaction."""
    path = f'SET LOCAL search_path = "{schema}", extensions'
    result = connection.pgconn.exec_(f"BEGIN; {path}; {statements}; COMMIT".encode())
    if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
        raise RuntimeError(f"{schema}: {result.error_message.decode()}")


def _add_field(connection: psycopg.Connection[Any], schema: str) -> None:
    _send(
        connection,
        schema,
        "ALTER TABLE articles_article ADD COLUMN floor integer DEFAULT 0 NOT NULL; "
        "ALTER TABLE articles_article ALTER COLUMN floor DROP DEFAULT; "
        "CREATE INDEX articles_article_floor ON articles_article (floor); "
        "INSERT INTO django_migrations (app, name, applied) VALUES ('floor', '0001', now())",
    )


def _drop_field(connection: psycopg.Connection[Any], schema: str) -> None:
    _send(connection, schema, "ALTER TABLE articles_article DROP COLUMN floor")


def _update_rows(connection: psycopg.Connection[Any], schema: str) -> None:
    _send(connection, schema, "UPDATE articles_article SET bench = bench + length(title)")


def _save_rows(connection: psycopg.Connection[Any], schema: str) -> None:
    table = sql.Identifier(schema, TABLES[0])
    with connection.transaction():
        keys = connection.execute(sql.SQL("SELECT * FROM {}").format(table)).fetchall()
        for key, *_ in keys:
            connection.execute(
                sql.SQL("UPDATE {} SET bench = bench + 1 WHERE id = %s").format(table), [key]
            )
