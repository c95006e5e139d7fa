"""What an undo costs one tenant, and its neighbours nothing; a tenant as a file and back.

    python -m tests.benchmarks.undo [--quick] [--rows 100000] [--copies 300]

Needs DATABASE_URL, DATABASE_ADMIN_URL, DATABASE_SUPERUSER_URL and REDIS_URL; makes a database of
its own there and drops it. A reader (pages, through every layer) and a writer work on a neighbour
from the backup to the end. Memory is how much a process grew at most, exporting and importing a
tenant of a tenth of the rows and one of all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.copying import copy_schema
from tests.benchmarks.databases import Database, settle, terrace_database
from tests.benchmarks.report import Report

ROOT = Path(__file__).resolve().parents[2]
MAX_PREVIEW_S = 30.0
MAX_SWAP_S = 1.0
MAX_GROWTH_MIB = 16.0
MAX_CROWDED = 1.5
MEDIA_MIB = 64


class Process:
    """One worker. See tests/benchmarks/undo_worker.py."""

    def __init__(self, stack: ExitStack, database: Database, folder: Path) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.terrace_settings",
            "DATABASE_URL": database.app_url,
            "DATABASE_ADMIN_URL": database.owner_url,
            "TERRACE_DATA_DIR": str(folder),
            "TERRACE_READY_POOL_SIZE": "2",
            "TERRACE_BENCH_KEY_PREFIX": f"terrace-bench-undo-{os.getpid()}",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.undo_worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(self.close)

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
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait(timeout=60)


@dataclass
class Street:
    """The tenants: `whole` has all rows, `tenth` a tenth, `next-door` and `quiet` are neighbours."""

    stack: ExitStack
    database: Database
    folder: Path
    rows: int

    def process(self) -> Process:
        """A fresh one, so that its memory says something."""
        return Process(self.stack, self.database, self.folder)

    def build(self) -> None:
        """Make them."""
        worker = self.process()
        worker.do("prepare")
        worker.do("make", subdomain="whole", rows=self.rows, media=MEDIA_MIB)
        worker.do("make", subdomain="tenth", rows=self.rows // 10, media=1)
        worker.do("make", subdomain="next-door", rows=300, media=0)
        worker.do("make", subdomain="quiet", rows=3000, media=1)
        worker.close()
        settle(self.database)

    def crowd(self, copies: int) -> None:
        """So many schemas more in the same database, with tables, indexes and rows."""
        quiet = self.process()
        source = quiet.do("tables", subdomain="next-door")["schema"]
        quiet.close()
        names = [f"copy_{number:04}" for number in range(copies)]
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            copy_schema(connection, source=source, targets=names)
        settle(self.database)


def measure_files(street: Street, report: Report) -> None:
    """Export and import: time, memory, row for row; a flipped byte."""
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for subdomain in ("tenth", "whole"):
        path = str(street.folder / f"{subdomain}.terrace")
        exporter, importer = street.process(), street.process()
        # Once before it is measured: what a process loads once is no growth with rows.
        exporter.do("export", subdomain="next-door", path=path)
        importer.do("take_in", path=path, subdomain=f"warm-{subdomain}")
        figures[subdomain] = {
            "export": exporter.do("export", subdomain=subdomain, path=path),
            "import": importer.do("take_in", path=path, subdomain=f"{subdomain}-copy"),
        }
        exporter.close()
        importer.close()
    report.table(
        ["", "rows", "file, MB", "ms", "memory grew, MiB"],
        [
            [
                f"{verb} of {subdomain}",
                both["export"]["rows"],
                f"{both['export']['bytes'] / 1e6:.1f}",
                f"{both[verb]['ms']:.0f}",
                f"{both[verb]['grew']:.1f}",
            ]
            for subdomain, both in figures.items()
            for verb in ("export", "import")
        ],
    )
    for verb in ("export", "import"):
        growth = figures["whole"][verb]["grew"] - figures["tenth"][verb]["grew"]
        report.goal(
            f"{verb}: memory at {street.rows} rows and a {MEDIA_MIB} MiB file, more than at a tenth, MiB",
            growth,
            f"at most {MAX_GROWTH_MIB:g} MiB",
            growth <= MAX_GROWTH_MIB,
        )
    worker = street.process()
    first = worker.do("tables", subdomain="whole")["tables"]
    second = worker.do("tables", subdomain="whole-copy")["tables"]
    differing = [name for name in first if first[name] != second.get(name)]
    report.say(f"Tables compared: {len(first)}, rows: {sum(rows for rows, _ in first.values())}")
    report.goal(
        "tables that are not row for row equal after the import", len(differing), "none",
        not differing and first.keys() == second.keys(),
    )  # fmt: skip
    path = street.folder / "whole.terrace"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (street.folder / "flipped.terrace").write_bytes(data)
    error = worker.do("refused", path=str(street.folder / "flipped.terrace"))["error"]
    report.say(f"A flipped byte: {error}")
    report.goal(
        "flipped byte refused by name", error == "ArchiveDamaged", "ArchiveDamaged",
        error == "ArchiveDamaged",
    )  # fmt: skip
    worker.close()


def measure_undo(street: Street, report: Report) -> None:
    """Backup, accident, preview, swap, and back again, with a neighbour at work all the time."""
    worker, visitors = street.process(), street.process()
    before = {name: worker.do("tables", subdomain=name) for name in ("quiet", "next-door")}
    original = worker.do("tables", subdomain="whole")["tables"]
    visitors.do("start_traffic", subdomain="next-door")
    backup = worker.do("back_up", subdomain="whole")
    deleted = worker.do("spoil", subdomain="whole")["deleted"]
    preview = worker.do("preview", subdomain="whole")
    swap = worker.do("swap", subdomain="whole")
    restored = worker.do("tables", subdomain="whole")["tables"]
    back = worker.do("take_back", subdomain="whole")
    traffic = visitors.do("stop_traffic")
    after = {name: worker.do("tables", subdomain=name) for name in before}
    report.table(
        ["step", "ms"],
        [
            ["backup", f"{backup['ms']:.0f}"],
            [f"preview ({deleted} rows had been deleted)", f"{preview['ms']:.0f}"],
            ["swap, the whole verb", f"{swap['ms']:.0f}"],
            ["swap, the transaction", f"{swap['transaction']:.0f}"],
            ["undo of the undo", f"{back['ms']:.0f}"],
        ],
    )
    report.say(
        f"Neighbour meanwhile: {traffic['reads']} pages, {traffic['writes']} writes, "
        f"{traffic['failed']} errors {traffic['errors']}, slowest {traffic['slowest']:.0f} ms"
    )
    seconds = preview["ms"] / 1000
    report.goal("to preview, s", seconds, f"under {MAX_PREVIEW_S:g} s", seconds < MAX_PREVIEW_S)
    seconds = swap["ms"] / 1000
    report.goal("swap, s", seconds, f"under {MAX_SWAP_S:g} s", seconds < MAX_SWAP_S)
    lost = [name for name in original if original[name] != restored.get(name)]
    report.goal("tables not as in the backup after the swap", len(lost), "none", not lost)
    worked = traffic["reads"] > 0 and traffic["writes"] > 0
    report.goal(
        "errors at the neighbour", traffic["failed"], "none", not traffic["failed"] and worked
    )
    touched = _touched(before, after, traffic["writes"])
    report.goal("other tenants touched", len(touched), "none", not touched)
    for line in touched:
        report.say(line)
    worker.close()
    visitors.close()


def _touched(before: dict[str, Any], after: dict[str, Any], writes: int) -> list[str]:
    """What is not as it was in a neighbour; where the writer wrote, by its own count."""
    found = []
    for name, was in before.items():
        now = after[name]
        if (was["fingerprint"], was["schema"]) != (now["fingerprint"], now["schema"]):
            found.append(f"{name}: another schema or fingerprint")
        for table, (rows, digest) in was["tables"].items():
            if name == "next-door" and table == "articles_tag":
                if now["tables"][table][0] != rows + writes:
                    found.append(f"{name}.{table}: {now['tables'][table][0]} rows")
            elif now["tables"][table] != [rows, digest]:
                found.append(f"{name}.{table}")
    return found


def measure_crowd(street: Street, report: Report, copies: int) -> None:
    """The same export with many schemas more in the database."""
    path = str(street.folder / "crowded.terrace")

    def times() -> list[float]:
        worker = street.process()
        worker.do("export", subdomain="quiet", path=path)
        found = sorted(worker.do("export", subdomain="quiet", path=path)["ms"] for _ in range(5))
        worker.close()
        return found

    alone = times()
    street.crowd(copies)
    crowded = times()
    report.table(
        ["export of 3,000 rows", "median ms"],
        [
            ["a handful of tenants there", f"{alone[2]:.0f}"],
            [f"{copies} schemas more", f"{crowded[2]:.0f}"],
        ],
    )
    ratio = crowded[2] / alone[2]
    report.goal(
        f"export with {copies} schemas more ÷ without",
        ratio,
        f"at most {MAX_CROWDED:g}",
        ratio <= MAX_CROWDED,
    )


def main() -> int:
    """Run the benchmark. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows and schemas")
    parser.add_argument("--rows", type=int, default=0, help="of the tenant that is undone")
    parser.add_argument("--copies", type=int, default=0, help="schemas that crowd the database")
    asked = parser.parse_args()
    report = Report("undo")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="terrace-bench-")))
        database = stack.enter_context(terrace_database("bench_undo"))
        # Processes end before their database is dropped.
        street = Street(
            stack.enter_context(ExitStack()),
            database,
            folder,
            asked.rows or (10_000 if asked.quick else 100_000),
        )
        street.build()
        measure_files(street, report)
        measure_undo(street, report)
        measure_crowd(street, report, asked.copies or (50 if asked.quick else 300))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
