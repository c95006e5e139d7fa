"""What a deployment over a fleet costs: Terrace beside stock django-tenants' executors.

    python -m tests.benchmarks.fleet [--quick] [--tenants 1000]

Needs DATABASE_URL, DATABASE_ADMIN_URL, DATABASE_SUPERUSER_URL and REDIS_URL; makes databases of its
own there and drops them. Terrace migrates all tenants, by `manage.py migrate` whole, the public
schema included. Stock is sampled: some of the tenants of a database with as many of them, by both of
its executors, as released and with MigrationRecorder.has_table() patched; its figure is a tenant's
time multiplied, and the table says so. The tenants hold this project's own tables and rows.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.benchmarks import fleet_floors
from tests.benchmarks.fleet_erasing import erase_one
from tests.benchmarks.fleet_sides import TABLES, Fleet
from tests.benchmarks.report import Report


@dataclass(frozen=True, slots=True)
class Case:
    """A release of one migration.

    Args:
        before: the migration that all tenants have when it begins; empty for what they were made with.
        goals: how many times faster than stock as released, and with `has_table` patched; none
            where it is only shown.
    """

    title: str
    migration: str
    before: str = ""
    goals: tuple[float, float] | None = None


FIELD, STATEMENT, ROWS = "0900_field_and_index", "0901_run_python", "0902_row_by_row"
ADD_FIELD = Case("AddField with index", FIELD, goals=(100.0, 15.0))
ROW_BY_ROW = Case("RunPython, 30 rows saved one by one", ROWS, STATEMENT)
ONE_UPDATE = Case("RunPython over 30 rows, one UPDATE", STATEMENT, FIELD, goals=(50.0, 5.0))
CASES = (ADD_FIELD, ONE_UPDATE, ROW_BY_ROW)
NOTHING = Case("nothing to do", "", goals=(300.0, 30.0))
MAX_SECONDS_OF_NOTHING = 1.0
# What a worker may have more after all tenants than after a tenth of them.
MAX_GROWTH = 1.1
EXECUTORS = ("standard", "multiprocessing")


def measure_stock(fleet: Fleet, name: str, sample: int) -> dict[str, float]:
    """Seconds a tenant, by executor and patch, of tenants that nobody has touched before."""
    found = {}
    begin = 1
    for patched in (False, True):
        fleet.stock.do("patch", is_patched=patched)
        for executor in EXECUTORS:
            chosen = fleet.stock_houses[begin : begin + sample]
            begin += sample
            key = f"{'patched' if patched else 'released'} {executor}"
            answer = fleet.stock.do("run", schemas=chosen, executor=executor, name=name)
            found[key] = answer["a_tenant"]
    return found


def compare(fleet: Fleet, report: Report, sample: int) -> dict[str, dict[str, float]]:
    """Each case, Terrace over all and stock over a sample.

    Returns:
        By case, stock's seconds for all tenants by the faster executor: released and patched.
    """
    rows: list[Sequence[object]] = []
    found = {}
    fleet.stock.do("patch", is_patched=True)
    for case in CASES:
        if case.before:
            _settle_sample(fleet, sample, case.before)
        stock = measure_stock(fleet, case.migration, sample)
        answer = fleet.terrace.do("migrate", name=case.migration)
        found[case.title] = _judge(fleet, report, case, answer, stock, rows)
    fleet.terrace.do("migrate")  # what else there is; then nothing is left
    _settle_sample(fleet, sample, "")
    stock = measure_stock(fleet, "", sample)
    runs = sorted(
        (fleet.terrace.do("migrate") for _ in range(5)), key=lambda answer: answer["seconds"]
    )
    found[NOTHING.title] = _judge(fleet, report, NOTHING, runs[2], stock, rows)
    seconds = runs[2]["seconds"]
    met = seconds < MAX_SECONDS_OF_NOTHING
    report.goal("nothing to do, s", seconds, f"under {MAX_SECONDS_OF_NOTHING:g} s", met)
    report.say(
        f"Terrace: all {fleet.tenants} tenants. Stock: {sample} of its {fleet.tenants} by each "
        "executor, a tenant's time × tenants."
    )
    report.table(
        [
            f"{fleet.tenants} tenants, s", "Terrace", *sorted(stock, reverse=True),
            "× released", "× patched", "worker MiB",
        ],
        rows,
    )  # fmt: skip
    return found


def _judge(
    fleet: Fleet,
    report: Report,
    case: Case,
    answer: dict[str, Any],
    stock: dict[str, float],
    rows: list[Sequence[object]],
) -> dict[str, float]:
    """A line of the table, and the goals."""
    if answer["ended"]:
        raise RuntimeError(f"{case.title}: {answer}")
    best = {
        kind: fleet.tenants * min(value for key, value in stock.items() if key.startswith(kind))
        for kind in ("released", "patched")
    }
    ratios = {kind: seconds / answer["seconds"] for kind, seconds in best.items()}
    rows.append(
        (
            case.title,
            f"{answer['seconds']:.2f}",
            *(f"{stock[key] * fleet.tenants:.0f}" for key in sorted(stock, reverse=True)),
            f"{ratios['released']:.0f}",
            f"{ratios['patched']:.1f}",
            f"{answer['worker_mib']:.0f}",
        )
    )
    for (kind, ratio), least in zip(ratios.items(), case.goals or (), strict=False):
        name = f"{case.title}: times faster than {kind}"
        report.goal(name, ratio, f"at least {least:g}", ratio >= least)
    return best


def show_floors(fleet: Fleet, report: Report, stock: dict[str, dict[str, float]]) -> None:
    """What PostgreSQL alone takes: the ratios here are the highest that there can be."""
    rows = []
    for case, seconds in (
        (ADD_FIELD, fleet_floors.add_field(fleet)),
        (ONE_UPDATE, fleet_floors.update_at_once(fleet)),
        (ROW_BY_ROW, fleet_floors.save_row_by_row(fleet)),
    ):
        at_most = {kind: best / seconds for kind, best in stock[case.title].items()}
        rows.append(
            (
                case.title,
                f"{seconds:.2f}",
                f"{at_most['released']:.0f}",
                f"{at_most['patched']:.1f}",
            )
        )
    report.table(["the same statements, bare", "s", "× released", "× patched"], rows)


def _settle_sample(fleet: Fleet, sample: int, name: str) -> None:
    """Bring the sampled tenants of stock to where the next case begins."""
    fleet.stock.do("patch", is_patched=True)
    chosen = fleet.stock_houses[1 : 1 + 4 * sample]
    fleet.stock.do("run", schemas=chosen, executor="standard", name=name)


def break_three(fleet: Fleet, report: Report) -> None:
    """A lock held, a missing table, bad data: three are named, mended and resumed."""
    locked, missing, bad = (fleet.houses[n] for n in (100 % fleet.tenants, 7, 13))
    name = "0903_check"
    fleet.terrace.do("migrate", name=ROWS)
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
    name = "0904_killed"
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
    name = "0905_memory"
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
        stock = compare(fleet, report, sample)
        break_three(fleet, report)
        kill_in_the_middle(fleet, report)
        measure_memory(fleet, report)
        erase_one(fleet, report)
        show_floors(fleet, report, stock)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
