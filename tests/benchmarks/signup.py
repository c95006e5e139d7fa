"""What a sign-up costs: Terrace beside stock `Tenant.save()`, at 10, 200 and 1,000 tenants.

    python -m tests.benchmarks.signup [--quick] [--tenants 10,200,1000]

Needs DATABASE_URL, DATABASE_ADMIN_URL, DATABASE_SUPERUSER_URL and REDIS_URL; makes databases of
its own there and drops them. Stock is django-tenants 4.0.1 as its documentation sets it up
(tests/benchmarks/stock/settings.py), in a process and a database of its own; the goals are against
that. Beside it stands stock with Terrace's tables alone in a tenant's schema
(settings_same_tables.py), with which the schemas are compared. Rounds of all take turns, and each
figure is the median of a run's rounds.
"""

import argparse
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from tests.benchmarks.copying import copy_schema
from tests.benchmarks.databases import Database, plain_database, settle, terrace_database
from tests.benchmarks.report import Report

ROOT = Path(__file__).resolve().parents[2]
MAX_CLAIM_MS = 10.0
MIN_TIMES_FASTER = 100.0
MAX_FIRST_PAGE_MS = 250.0
MAX_OF_BARE_DDL = 1.5


@dataclass(frozen=True, slots=True)
class Effort:
    """How many tenants there are, and how many rounds are taken at each number."""

    fleets: tuple[int, ...]
    saves: int
    claims: int
    builds: int
    pages: int


FULL = Effort(fleets=(10, 200, 1000), saves=7, claims=21, builds=15, pages=15)
QUICK = Effort(fleets=(10, 50), saves=3, claims=7, builds=5, pages=5)


class Side:
    """One of the two processes. See tests/benchmarks/signup_worker.py."""

    def __init__(self, settings: str, database: Database, *, owns: bool) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings,
            "DATABASE_URL": database.owner_url if owns else database.app_url,
            "DATABASE_ADMIN_URL": database.owner_url,
            "TERRACE_BENCH_KEY_PREFIX": f"terrace-bench-signup-{os.getpid()}",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.signup_worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, verb: str, **details: object) -> dict[str, Any]:
        """Have something done, and wait for it."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("The process has no pipes.")
        self._process.stdin.write(json.dumps({"do": verb, **details}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The process stopped at {verb!r}. Its error is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians in milliseconds at one number of tenants; `of_bare` is a ratio of paired rounds."""

    tenants: int
    save: float
    save_same_tables: float
    claim: float
    provision: float
    bare: float
    built: float
    of_bare: float
    provision_empty: float
    first_page: float
    posted: float

    @property
    def times_faster(self) -> float:
        """How much sooner a claimed tenant is live than a saved one."""
        return self.save / self.claim


class StockFleet:
    """Stock, in one of its two set-ups."""

    def __init__(self, stack: ExitStack, name: str, settings: str) -> None:
        self.database = stack.enter_context(plain_database(name, extensions_in="extensions"))
        self.side = Side(settings, self.database, owns=True)
        stack.callback(self.side.close)
        self.saved: str = self.side.do("prepare")["schema"]
        self._tenants = 1

    def grow(self, tenants: int) -> None:
        """Have so many tenants: copies of the one that was saved."""
        names = [f"copy_{number:04}" for number in range(self._tenants, tenants)]
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            copy_schema(connection, source=self.saved, targets=names)
        self.side.do("add", names=names)
        self._tenants = tenants
        settle(self.database)


class Fleet:
    """All sides with the same number of tenants."""

    def __init__(self, stack: ExitStack) -> None:
        self._database = stack.enter_context(terrace_database("bench_signup_terrace"))
        self.terrace = Side("tests.benchmarks.signup_settings", self._database, owns=False)
        stack.callback(self.terrace.close)
        self.terrace.do("prepare")
        self.stock = StockFleet(stack, "bench_signup_stock", "tests.benchmarks.stock.settings")
        self.same_tables = StockFleet(
            stack, "bench_signup_same", "tests.benchmarks.stock.settings_same_tables"
        )

    def grow(self, tenants: int) -> None:
        """Make tenants on all sides until there are so many."""
        self.terrace.do("grow", tenants=tenants)
        settle(self._database)
        for stock in (self.stock, self.same_tables):
            stock.grow(tenants)

    def measure(self, tenants: int, effort: Effort) -> Figures:
        """Rounds of everything, both sides in turn."""
        claims, pages, saves, saves_same = [], [], [], []
        self.terrace.do("fill", ready=2 * effort.claims + effort.pages)
        for number in range(max(effort.saves, effort.claims, effort.pages)):
            if number < effort.claims:
                claims.append(self.terrace.do("claim"))
            if number < effort.saves:
                saves.append(self.stock.side.do("save")["save"])
                saves_same.append(self.same_tables.side.do("save")["save"])
            if number < effort.pages:
                pages.append(self.terrace.do("first_page"))
        builds = [self.terrace.do("build") for _ in range(effort.builds)]
        return Figures(
            tenants=tenants,
            save=median(saves),
            save_same_tables=median(saves_same),
            claim=median(found["claim"] for found in claims),
            provision=median(found["whole"] for found in claims),
            bare=median(found["bare"] for found in builds),
            built=median(found["built"] for found in builds),
            of_bare=median(found["built"] / found["bare"] for found in builds),
            provision_empty=median(found["whole"] for found in builds),
            first_page=median(found["whole"] for found in pages),
            posted=median(found["posted"] for found in pages),
        )

    def differences(self) -> list[str]:
        """Where a ready schema is not what stock's `save()` made, by name."""
        ready = self.terrace.do("fingerprint")
        same = self.same_tables
        saved = same.side.do("fingerprint", schema=same.saved)
        keys = sorted(ready["structure"].keys() | saved["structure"].keys())
        found = [
            f"{key}: {ready['structure'].get(key)} | {saved['structure'].get(key)}"
            for key in keys
            if ready["structure"].get(key) != saved["structure"].get(key)
        ]
        if ready["migrations"] != saved["migrations"]:
            found.append("django_migrations")
        if not found and ready["hash"] != saved["hash"]:
            found.append("hash")
        return found


def report_on(report: Report, all_figures: list[Figures], differences: list[str]) -> None:
    """Tables, then goals."""
    report.say("Milliseconds, medians. Claim: the transaction that makes the tenant live.")
    report.table(
        ["tenants", "stock save()", "same tables", "claim", "times faster", "whole provisioning"],
        [
            [
                f.tenants,
                f"{f.save:.0f}",
                f"{f.save_same_tables:.0f}",
                f"{f.claim:.1f}",
                f"{f.times_faster:.0f}",
                f"{f.provision:.1f}",
            ]
            for f in all_figures
        ],
    )
    report.say("With an empty pool: the schema with role, grants and row, beside its DDL alone.")
    report.table(
        ["tenants", "bare DDL", "schema", "ratio", "whole provisioning"],
        [
            [
                f.tenants,
                f"{f.bare:.1f}",
                f"{f.built:.1f}",
                f"{f.of_bare:.2f}",
                f"{f.provision_empty:.1f}",
            ]
            for f in all_figures
        ],
    )
    report.say("From the sign-up's POST (Argon2 included) to the tenant's first page, signed in.")
    report.table(
        ["tenants", "POST answered", "first page"],
        [[f.tenants, f"{f.posted:.0f}", f"{f.first_page:.0f}"] for f in all_figures],
    )
    for difference in differences[:20]:
        report.say(f"Ready | saved: {difference}")
    for f in all_figures:
        at = f"at {f.tenants} tenants"
        report.goal(
            f"claim {at}, ms", f.claim, f"at most {MAX_CLAIM_MS:g} ms", f.claim <= MAX_CLAIM_MS
        )
        report.goal(
            f"stock save() ÷ claim {at}",
            f.times_faster,
            f"at least {MIN_TIMES_FASTER:g}",
            f.times_faster >= MIN_TIMES_FASTER,
        )
        report.goal(
            f"schema from an empty pool ÷ bare DDL {at}",
            f.of_bare,
            f"at most {MAX_OF_BARE_DDL:g}",
            f.of_bare <= MAX_OF_BARE_DDL,
        )
        report.goal(
            f"POST to first page {at}, ms",
            f.first_page,
            f"at most {MAX_FIRST_PAGE_MS:g} ms",
            f.first_page <= MAX_FIRST_PAGE_MS,
        )
    report.goal(
        "differences from a stock-migrated schema", len(differences), "none", not differences
    )


def main() -> int:
    """Run the benchmark. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer tenants and rounds")
    parser.add_argument("--tenants", default="", help="numbers of tenants, e.g. 10,200,1000")
    asked = parser.parse_args()
    effort = QUICK if asked.quick else FULL
    fleets = [int(number) for number in asked.tenants.split(",") if number] or effort.fleets
    report = Report("signup")
    with ExitStack() as stack:
        fleet = Fleet(stack)
        differences = fleet.differences()
        figures = []
        for tenants in fleets:
            fleet.grow(tenants)
            figures.append(fleet.measure(tenants, effort))
    report_on(report, figures, differences)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
