"""`manage.py import_products acme products.csv`: checks a file of products, or imports it."""

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shared_apps.tenants import context
from shared_apps.tenants.errors import TenantNotFound
from shared_apps.tenants.shell import find_tenant
from tenant_apps.csv_cells import write_row
from tenant_apps.products import import_runs
from tenant_apps.products.csv_files import CsvFile
from tenant_apps.products.errors import ImportFileError
from tenant_apps.products.models import ImportState, MatchBy
from tenant_apps.products.product_import import Listener
from tenant_apps.products.product_rows import FAULT_COLUMN, Problem, Row

PIECE_BYTES = 256 * 1024
PROBLEMS_SHOWN = 50


class Command(BaseCommand):
    """The same import as on the page, for whoever runs the platform: no limit on the file's size."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The tenant, the file, and how it is to be taken."""
        parser.add_argument("tenant", help="Subdomain, hostname, schema or uuid.")
        parser.add_argument("file", type=Path, help="CSV in Shopify's or Terrace's format, UTF-8.")
        parser.add_argument("--apply", action="store_true", help="Import; otherwise only check.")
        parser.add_argument(
            "--skip-faulty", action="store_true", help="Import the rest where a product is faulty."
        )
        parser.add_argument(
            "--match-by",
            choices=MatchBy.values,
            default=MatchBy.HANDLE.value,
            help="What says that a product of the file is one that is here.",
        )
        parser.add_argument(
            "--faulty-rows", type=Path, help="Write the rows of faulty products to this file."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check or import, and say what came of it."""
        path: Path = options["file"]
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        faulty_rows = _FaultyRows(options["faulty_rows"])
        size = path.stat().st_size or 1
        listener = Listener(
            on_problems=self._show_problems,
            on_faulty_rows=faulty_rows.write,
            on_progress=lambda done: self._show_progress(done, size),
        )
        self._shown = 0
        try:
            tenant = find_tenant(options["tenant"])
        except TenantNotFound as error:
            raise CommandError(str(error)) from error
        with context.run_in(tenant):
            try:
                faulty_rows.begin(CsvFile(lambda: _pieces(path)).read_header())
                taken = {
                    "skips_faulty": options["skip_faulty"],
                    "match_by": MatchBy(options["match_by"]),
                }
                if options["apply"]:
                    self._import(path, listener=listener, **taken)
                else:
                    self._check(path, listener=listener, **taken)
            except ImportFileError as error:
                raise CommandError(str(error)) from error

    def _check(
        self, path: Path, *, skips_faulty: bool, match_by: MatchBy, listener: Listener
    ) -> None:
        report = import_runs.check_file(
            pieces=lambda: _pieces(path),
            skips_faulty=skips_faulty,
            match_by=match_by,
            listener=listener,
        )
        self._show_report(report.as_json(), applied=False)
        if not skips_faulty:
            self._refuse_faulty(report.faulty)

    def _import(
        self, path: Path, *, skips_faulty: bool, match_by: MatchBy, listener: Listener
    ) -> None:
        run = import_runs.import_file(
            file_name=path.name,
            file_bytes=path.stat().st_size,
            pieces=lambda: _pieces(path),
            skips_faulty=skips_faulty,
            match_by=match_by,
            listener=listener,
        )
        if run.report:
            self._show_report(run.report, applied=run.state == ImportState.IMPORTED)
        if run.state != ImportState.IMPORTED:
            self._refuse_faulty(run.report.get("faulty", 0))
            raise CommandError(run.refusal)

    def _refuse_faulty(self, count: int) -> None:
        if count:
            raise CommandError(
                f"{count} products are faulty, so nothing was imported. Mend them, or leave them "
                "out with --skip-faulty."
            )

    def _show_problems(self, problems: list[Problem]) -> None:
        for problem in problems[: max(0, PROBLEMS_SHOWN - self._shown)]:
            place = f", {problem.column}" if problem.column else ""
            self.stderr.write(f"Row {problem.row_number}{place}: {problem.sentence}")
        self._shown += len(problems)

    def _show_progress(self, done: int, size: int) -> None:
        if os.isatty(2):
            self.stderr.write(f"\r{100 * done // size} %", ending="")

    def _show_report(self, report: dict[str, Any], *, applied: bool) -> None:
        if self._shown > PROBLEMS_SHOWN:
            self.stderr.write(f"… and {self._shown - PROBLEMS_SHOWN} more.")
        did = "were" if applied else "would be"
        self.stdout.write(
            f"{report['rows']} rows, {report['products']} products: {report['created']} {did} made, "
            f"{report['updated']} changed, {report['unchanged']} are as in the file, "
            f"{report['faulty']} are faulty."
        )


class _FaultyRows:
    """The file of faulty rows, where one is wanted."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.width = 0

    def begin(self, header: list[str]) -> None:
        self.width = len(header)
        if self.path:
            header_row = "\ufeff" + write_row([*header, FAULT_COLUMN])
            self.path.write_text(header_row, encoding="utf-8", newline="")

    def write(self, rows: list[tuple[Row, str]]) -> None:
        if self.path:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                for (_, cells), sentence in rows:
                    padding = [""] * (self.width - len(cells))
                    file.write(write_row([*cells[: self.width], *padding, sentence]))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
