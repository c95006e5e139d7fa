"""What 100,000 articles and 100,000 products cost in one tenant: list, page, search and API.

    python -m tests.benchmarks.apps [--quick]

Needs DATABASE_URL, DATABASE_ADMIN_URL, DATABASE_SUPERUSER_URL and REDIS_URL; makes a database of its
own there and drops it. Two tenants hold the same kind of rows: one 1,000 of each, the other 100,000.
Requests go through the WSGI handler of one process, in rounds that alternate between the two, so that
a machine's drift cancels. What the platform keeps for a workspace until something changes in it
(tenant_apps/activity/generation.py) it keeps here too: the workspace changes once in 50 requests, as
one does that is read ten times a second and written to every five. The first request after a change is
shown by itself.
"""

import argparse
import os
import sys
from statistics import quantiles

from tests.benchmarks.databases import Database, settle, terrace_database
from tests.benchmarks.orders import Worker
from tests.benchmarks.report import Report

FEW, MANY = 1_000, 100_000
QUICK_MANY = 10_000
MAX_RATIO = 2.0
MAX_SEARCH_MS = 50.0


def serving_worker(database: Database) -> Worker:
    """The process that serves. See tests/benchmarks/apps_worker.py."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.terrace_settings",
        "DATABASE_URL": database.app_url,
        "DATABASE_ADMIN_URL": database.owner_url,
        "TERRACE_BASE_DOMAIN": "localhost",
        "TERRACE_BENCH_KEY_PREFIX": "terrace-bench-apps",
        "PYTHONWARNINGS": "ignore",
    }
    return Worker(environment, module="tests.benchmarks.apps_worker")


def p95(microseconds: list[float]) -> float:
    """In milliseconds."""
    return quantiles(microseconds, n=20, method="inclusive")[-1] / 1000


def p50(microseconds: list[float]) -> float:
    """In milliseconds."""
    return sorted(microseconds)[len(microseconds) // 2] / 1000


def main() -> int:
    """Measure, and print goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_MANY:,} rows, fewer rounds")
    parser.add_argument("--only", default="", help="the cases whose name has this in it")
    chosen = parser.parse_args()
    many = QUICK_MANY if chosen.quick else MANY
    rounds, requests = (2, 50) if chosen.quick else (6, 50)
    report = Report("apps")
    with terrace_database("terrace_bench_apps") as database:
        worker = serving_worker(database)
        try:
            cases: dict[str, list[str]] = {}
            worker.order("prepare")
            for name, rows in (("few", FEW), ("many", many)):
                planted = worker.order("plant", name=name, rows=rows)
                cases = planted["cases"]
                report.say(f"{name}: {rows:,} of each planted in {planted['seconds']:.0f} s")
            settle(database)
            found: dict[str, dict[str, list[float]]] = {}
            first: dict[str, dict[str, list[float]]] = {}
            for case, paths in cases.items():
                if chosen.only not in case:
                    continue
                taken: dict[str, list[float]] = {"few": [], "many": []}
                first[case] = {"few": [], "many": []}
                for name in taken:
                    worker.order("time", name=name, paths=paths, count=len(paths))
                for _ in range(rounds):
                    for name in taken:
                        answer = worker.order("time", name=name, paths=paths, count=requests)
                        taken[name] += answer["microseconds"]
                        first[case][name].append(answer["microseconds"][0])
                found[case] = taken
        finally:
            worker.close()
    report.table(
        ["case", "p50 few", "many", "p95 few", "many", "ratio", "after a change few", "many"],
        [
            [
                case,
                *(f"{p50(taken[name]):.1f}" for name in ("few", "many")),
                *(f"{p95(taken[name]):.1f}" for name in ("few", "many")),
                f"{p95(taken['many']) / p95(taken['few']):.2f}",
                *(f"{p50(first[case][name]):.1f}" for name in ("few", "many")),
            ]
            for case, taken in found.items()
        ],
    )
    for case, taken in found.items():
        ratio = p95(taken["many"]) / p95(taken["few"])
        report.goal(f"{case}, p95 ratio", ratio, f"at most {MAX_RATIO}", ratio <= MAX_RATIO)
        if "search" in case:
            slow = p95(taken["many"])
            report.goal(
                f"{case}, p95 at {many:,}", slow, f"under {MAX_SEARCH_MS} ms", slow < MAX_SEARCH_MS
            )
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
