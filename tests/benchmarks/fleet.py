"""What a deployment over a fleet costs: Terrace beside stock django-tenants' executors.

    python -m tests.benchmarks.fleet [--quick] [--tenants 1000]

Needs DATABASE_URL, DATABASE_ADMIN_URL, DATABASE_SUPERUSER_URL and REDIS_URL; makes databases of its
own there and drops them. Terrace migrates all tenants, by `manage.py migrate` whole, the public
schema included. Stock is sampled: some of the tenants of a database with as many of them, by both of
its executors, as released and with MigrationRecorder.has_table() patched; its figure is a tenant's
time multiplied, and the table says so. The tenants hold this project's own tables and rows.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.benchmarks.copying import copy_schema
from tests.benchmarks.databases import Database, plain_database, settle, terrace_database
from tests.benchmarks.report import Report
from tests.benchmarks.worker import GRANTS

ROOT = Path(__file__).resolve().parents[2]
CASES = {
    "nothing to do": ("", 300.0, 30.0),
    "AddField with index": ("0900_field_and_index", 100.0, 15.0),
    "RunPython over rows": ("0901_run_python", 50.0, 5.0),
}
MAX_SECONDS_OF_NOTHING = 1.0
# What a worker may have more after all tenants than after a tenth of them.
MAX_GROWTH = 1.1
EXECUTORS = ("standard", "multiprocessing")
# Copies have the rows' keys and sequences that begin at 1.
_GO_ON_COUNTING = (
    "SELECT setval(pg_get_serial_sequence('\"{target}\".django_migrations', 'id'), 100000)"
)
TABLES = ["articles_article", "articles_category", "articles_tag", "django_migrations"]


class Side:
    """One of the processes. See tests/benchmarks/fleet_worker.py."""

    def __init__(self, settings: str, database: Database, *, owns: bool) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings,
            "DATABASE_URL": database.owner_url if owns else database.app_url,
            "DATABASE_ADMIN_URL": database.owner_url,
            "TERRACE_BENCH_KEY_PREFIX": f"terrace-bench-fleet-{os.getpid()}",
            "PYTHONWARNINGS": "ignore",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.fleet_worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, verb: str, **details: object) -> None:
        """Have something done, without waiting."""
        if self.process.stdin is None:
            raise RuntimeError("The process has no pipes.")
        self.process.stdin.write(json.dumps({"do": verb, **details}) + "\n")
        self.process.stdin.flush()

    def do(self, verb: str, **details: object) -> dict[str, Any]:
        """Have something done, and wait for it."""
        self.ask(verb, **details)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise RuntimeError(f"The process stopped at {verb!r}. Its error is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(timeout=60)


class Fleet:
    """Both sides, with as many tenants each."""

    def __init__(self, stack: ExitStack, tenants: int) -> None:
        self.tenants = tenants
        self.stack = stack
        self.database = stack.enter_context(terrace_database("bench_fleet_terrace"))
        self.stock_database = stack.enter_context(
            plain_database("bench_fleet_stock", extensions_in="extensions")
        )
        self.terrace = self.another()
        self.stock = Side("tests.benchmarks.stock.settings_fleet", self.stock_database, owns=True)
        stack.callback(self.stock.close)
        self.houses = self._grow(self.terrace, self.database, GRANTS, leaf())
        self.stock_houses = self._grow(self.stock, self.stock_database, "", leaf())

    def another(self) -> Side:
        """One more process of Terrace."""
        side = Side("tests.benchmarks.fleet_settings", self.database, owns=False)
        self.stack.callback(side.close)
        return side

    def _grow(self, side: Side, database: Database, grants: str, start: str) -> list[str]:
        first = side.do("prepare", leaf=start)["schema"]
        schemas: list[str] = side.do("add", number=self.tenants)["schemas"]
        app = urlsplit(database.app_url).username
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            if grants:
                for schema in schemas:
                    connection.execute(f'CREATE ROLE "{schema}"'.encode())
                grants = grants.replace("{app}", f'"{app}"')
                grants += '; REVOKE ALL ON "{target}".django_migrations FROM "{target}"'
            then = f"{grants}; {_GO_ON_COUNTING}" if grants else _GO_ON_COUNTING
            copy_schema(connection, source=first, targets=schemas, then=then)
        settle(database)
        return [first, *schemas]


def leaf() -> str:
    """The newest of the project's own migrations of `articles`."""
    folder = ROOT / "tenant_apps" / "articles" / "migrations"
    return max(path.stem for path in folder.glob("[0-9]*.py"))


def measure_stock(fleet: Fleet, name: str, sample: int, taken: list[int]) -> dict[str, float]:
    """Seconds a tenant, by executor and patch, of tenants that nobody has touched before."""
    found = {}
    for patched in (False, True):
        fleet.stock.do("patch", is_patched=patched)
        for executor in EXECUTORS:
            begin = taken[0]
            taken[0] += sample
            chosen = fleet.stock_houses[begin : begin + sample]
            key = f"{'patched' if patched else 'released'} {executor}"
            answer = fleet.stock.do("run", schemas=chosen, executor=executor, name=name)
            found[key] = answer["a_tenant"]
    return found


def compare(fleet: Fleet, report: Report, sample: int) -> None:
    """The three cases, Terrace over all and stock over a sample."""
    rows: list[Sequence[object]] = []
    order = ["AddField with index", "RunPython over rows", "nothing to do"]
    taken = [1]
    fleet.stock.do("patch", is_patched=True)
    for case in order:
        name, of_released, of_patched = CASES[case]
        taken[0] = 1
        if case == "RunPython over rows":
            _settle_sample(fleet, sample, "0900_field_and_index")
        if name:
            stock = measure_stock(fleet, name, sample, taken)
            taken_seconds = fleet.terrace.do("migrate", name=name)
        else:
            fleet.terrace.do("migrate")  # what else there is; then nothing is left
            _settle_sample(fleet, sample, "")
            stock = measure_stock(fleet, name, sample, [1])
            runs = [fleet.terrace.do("migrate")["seconds"] for _ in range(5)]
            taken_seconds = {"seconds": sorted(runs)[2], "ended": "", "worker_mib": 0.0}
        if taken_seconds["ended"]:
            raise RuntimeError(f"{case}: {taken_seconds}")
        seconds = taken_seconds["seconds"]
        best = {
            kind: min(value for key, value in stock.items() if key.startswith(kind))
            for kind in ("released", "patched")
        }
        ratios = {kind: value * fleet.tenants / seconds for kind, value in best.items()}
        rows.append(
            (
                case,
                f"{seconds:.2f}",
                *(f"{stock[key] * fleet.tenants:.0f}" for key in sorted(stock, reverse=True)),
                f"{ratios['released']:.0f}",
                f"{ratios['patched']:.1f}",
                f"{taken_seconds['worker_mib']:.0f}",
            )
        )
        headers = [
            f"{fleet.tenants} tenants, s", "Terrace", *sorted(stock, reverse=True),
            "× released", "× patched", "worker MiB",
        ]  # fmt: skip
        report.goal(
            f"{case}: times faster than released", ratios["released"],
            f"at least {of_released:g}", ratios["released"] >= of_released,
        )  # fmt: skip
        report.goal(
            f"{case}: times faster than patched", ratios["patched"],
            f"at least {of_patched:g}", ratios["patched"] >= of_patched,
        )  # fmt: skip
        if not name:
            report.goal(
                f"{case}, s", seconds, f"under {MAX_SECONDS_OF_NOTHING:g} s",
                seconds < MAX_SECONDS_OF_NOTHING,
            )  # fmt: skip
    report.say(
        f"Terrace: all {fleet.tenants} tenants. Stock: {sample} of its {fleet.tenants} by each "
        "executor, a tenant's time × tenants."
    )
    report.table(headers, rows)


def _settle_sample(fleet: Fleet, sample: int, name: str) -> None:
    """Bring the sampled tenants of stock to where the next case begins."""
    fleet.stock.do("patch", is_patched=True)
    chosen = fleet.stock_houses[1 : 1 + 4 * sample]
    fleet.stock.do("run", schemas=chosen, executor="standard", name=name)


def break_three(fleet: Fleet, report: Report) -> None:
    """A lock held, a missing table, bad data: three are named, mended and resumed."""
    locked, missing, bad = (fleet.houses[n] for n in (100 % fleet.tenants, 7, 13))
    name = "0902_check"
    fleet.terrace.do("migrate", name="0901_run_python")
    with psycopg.connect(fleet.database.owner_url, autocommit=True) as connection:
        connection.execute(
            f'ALTER TABLE "{missing}".articles_article RENAME TO articles_lost'.encode()
        )
        connection.execute(
            f'UPDATE "{bad}".articles_article SET bench = -1 WHERE id = '
            f'(SELECT min(id) FROM "{bad}".articles_article)'.encode()
            if _has_bigint_key(connection, bad)
            else f'UPDATE "{bad}".articles_article SET bench = -1'.encode()
        )
        with psycopg.connect(fleet.database.owner_url) as holder:
            holder.execute(f'LOCK TABLE "{locked}".articles_article IN ACCESS SHARE MODE'.encode())
            first = fleet.terrace.do("migrate", name=name)
        connection.execute(
            f'ALTER TABLE "{missing}".articles_lost RENAME TO articles_article'.encode()
        )
        connection.execute(f'UPDATE "{bad}".articles_article SET bench = 1'.encode())
    second = fleet.terrace.do("migrate", name=name)
    named = set(first["result"]["failed"]) == {locked, missing, bad}
    done = len(first["result"]["migrated"])
    for schema, why in first["result"]["failed"].items():
        report.say(f"failed as planted: {schema}: {why}")
    resumed = sorted(second["result"]["migrated"]) == sorted([locked, missing, bad])
    counts = fleet.terrace.do("behind", name=name)["counts"]
    report.say(f"broken on purpose: {done} done in {first['seconds']:.1f} s, then {counts} marks.")
    others = fleet.tenants - 3
    met = named and done == others
    report.goal("broken: done beside 3 that failed", done, f"{others}, 3 named", met)
    whole = resumed and counts == {"1": fleet.tenants}
    report.goal("broken: done after resuming", counts.get("1", 0), f"{fleet.tenants}", whole)


def _has_bigint_key(connection: psycopg.Connection[Any], schema: str) -> bool:
    found = connection.execute(
        "SELECT format_type(atttypid, -1) FROM pg_attribute"
        f" WHERE attrelid = '\"{schema}\".articles_article'::regclass AND attname = 'id'".encode()
    ).fetchone()
    return bool(found and found[0] == "bigint")


def kill_in_the_middle(fleet: Fleet, report: Report) -> None:
    """kill -9 of the whole run when some are done; resumed, none twice, none half."""
    name = "0903_killed"
    kinds = fleet.terrace.do("hashes", tables=TABLES)["different"]
    victim = fleet.another()
    victim.do("hashes", tables=["articles_tag"])  # it has started
    victim.ask("migrate", name=name)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        counts = fleet.terrace.do("behind", name=name)["counts"]
        if counts.get("1", 0) > fleet.tenants // 20:
            break
    os.killpg(victim.process.pid, signal.SIGKILL)
    victim.process.wait()
    time.sleep(1.0)
    before = fleet.terrace.do("behind", name=name)["counts"].get("1", 0)
    again = fleet.terrace.do("migrate", name=name)
    counts = fleet.terrace.do("behind", name=name)["counts"]
    different = fleet.terrace.do("hashes", tables=TABLES)["different"]
    report.say(
        f"killed with {before} of {fleet.tenants} done; the next run did "
        f"{len(again['result']['migrated'])} more; marks: {counts}; "
        f"kinds of tables {kinds} before, {different} now."
    )
    whole = counts == {"1": fleet.tenants} and different == kinds and not again["result"]["failed"]
    report.goal("killed and resumed: once each", counts.get("1", 0), f"{fleet.tenants}", whole)
    met = 0 < before < fleet.tenants
    report.goal("killed in the middle, done by then", before, "some, not all", met)


def measure_memory(fleet: Fleet, report: Report) -> None:
    """A worker's peak after a tenth of the tenants, and after the others."""
    name = "0904_memory"
    tenth = fleet.houses[: fleet.tenants // 10]
    few = fleet.another().do("migrate", name=name, only=tenth)["worker_mib"]
    many = fleet.another().do("migrate", name=name)["worker_mib"]
    rest = fleet.tenants - len(tenth)
    report.table(
        ["peak memory of a worker process, MiB", ""],
        [(f"{len(tenth)} tenants", f"{few:.1f}"), (f"{rest} tenants", f"{many:.1f}")],
    )
    growth = many / few
    promised = f"at most {MAX_GROWTH:g}"
    report.goal("memory of a worker, many ÷ few tenants", growth, promised, growth <= MAX_GROWTH)


def main() -> int:
    """Run the benchmark. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="100 tenants, 5 sampled")
    parser.add_argument("--tenants", type=int, default=0)
    asked = parser.parse_args()
    tenants = asked.tenants or (100 if asked.quick else 1000)
    sample = 5 if asked.quick else 20
    report = Report("fleet")
    with ExitStack() as stack:
        fleet = Fleet(stack, tenants)
        compare(fleet, report, sample)
        fleet.terrace.do("migrate", name="0901_run_python")
        break_three(fleet, report)
        kill_in_the_middle(fleet, report)
        measure_memory(fleet, report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
