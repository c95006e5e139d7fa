"""The fleet's benchmark, last part: one tenant of many is erased."""

import os
from collections.abc import Sequence
from typing import Any, LiteralString, cast

import psycopg
import redis
from psycopg import sql

from tests.benchmarks.fleet_sides import TABLES, Fleet
from tests.benchmarks.report import Report


def erase_one(fleet: Fleet, report: Report) -> None:
    """One tenant, for good: nothing of it left, its certificate as counted before, nobody else touched."""
    victim = fleet.houses.pop(17)
    uuid = fleet.terrace.do("plant", schema=victim)["uuid"]
    before = count_of(fleet, victim, uuid)
    neighbours = fleet.terrace.do("hashes", tables=TABLES)["different"]
    rows = _rows_of(fleet, fleet.houses)
    done = fleet.terrace.do("erase", schema=victim)
    told = done["certificate"]
    certified = {
        "tables": len(told["tables"]),
        "rows": sum(table["rows"] for table in told["tables"]),
        "relations": told["relations"],
        "bytes": told["database_bytes"],
        "files": told["media_files"],
        "file bytes": told["media_bytes"],
        "redis keys": told["redis_keys"],
        "tasks": told["queued_tasks"],
    }
    after = count_of(fleet, victim, uuid)
    report.table(
        [f"erasing one of {fleet.tenants}", "counted before", "certificate", "left"],
        [(name, before[name], certified.get(name, "-"), after[name]) for name in before],
    )
    differing = [name for name, value in certified.items() if before[name] != value]
    left = [name for name, value in after.items() if value]
    touched = (
        rows != _rows_of(fleet, fleet.houses)
        or neighbours != fleet.terrace.do("hashes", tables=TABLES)["different"]
    )
    report.say(f"erased in {done['seconds']:.2f} s.")
    report.goal("erased: figures unlike the certificate", len(differing), "none", not differing)
    report.goal("erased: kinds of things left of it", len(left), "none", not left)
    report.goal("erased: other tenants touched", int(touched), "none", not touched)
    report.goal(
        "erased: there was something of each kind", min(before.values()), "at least 1",
        min(before.values()) > 0,
    )  # fmt: skip


def count_of(fleet: Fleet, schema: str, uuid: str) -> dict[str, int]:
    """What there is of a tenant, by PostgreSQL, Redis and the disk themselves."""
    counts: dict[str, int] = {}
    with psycopg.connect(fleet.database.superuser_url) as connection:

        def number(query: LiteralString) -> int:
            row = connection.execute(query, {"schema": schema}).fetchone()
            return int(row[0]) if row else 0

        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace ="
            " (SELECT oid FROM pg_namespace WHERE nspname = %s)",
            [schema],
        ).fetchall()
        counts["schemas"] = number("SELECT count(*) FROM pg_namespace WHERE nspname = %(schema)s")
        counts["roles"] = number("SELECT count(*) FROM pg_roles WHERE rolname = %(schema)s")
        counts["relations"] = number(
            "SELECT count(*) FROM pg_class WHERE relnamespace ="
            " (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)"
        )
        counts["tables"] = len(tables)
        counts["rows"] = counts["bytes"] = 0
        for (table,) in tables:
            name = sql.Identifier(schema, table)
            row = connection.execute(
                sql.SQL("SELECT count(*), pg_total_relation_size({}) FROM {}").format(
                    name.as_string(), name
                )
            ).fetchone()
            counts["rows"] += row[0] if row else 0
            counts["bytes"] += row[1] if row else 0
    files = [path for path in fleet.folder.rglob("*") if uuid in str(path) and path.is_file()]
    counts["files"] = len(files)
    counts["file bytes"] = sum(path.stat().st_size for path in files)
    counts["redis keys"] = counts["tasks"] = 0
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        for key in client.scan_iter(count=1000):
            if uuid.encode() not in key:
                continue
            if client.type(key) == b"list":
                counts["tasks"] += cast("int", client.llen(key))
            elif b":lane" not in key:
                counts["redis keys"] += 1
    return counts


def _rows_of(fleet: Fleet, schemas: Sequence[str]) -> list[tuple[Any, ...]]:
    """Each schema's relations, and its rows in the tables that the benchmark fills."""
    found: list[tuple[Any, ...]] = []
    with psycopg.connect(fleet.database.superuser_url) as connection:
        found += connection.execute(
            "SELECT nspname, count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = ANY(%s) GROUP BY nspname ORDER BY nspname",
            [list(schemas)],
        ).fetchall()
        for schema in schemas:
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, TABLES[0]))
            ).fetchone()
            found.append((schema, row))
    return found
