"""`manage.py fleet …`: all tenants' schemas at once."""

import dataclasses
import json
from datetime import datetime
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from shared_apps.tenants.fleet.detection import members
from shared_apps.tenants.fleet.drift import Drift, DriftReport, ReleaseBroken, find_drift
from shared_apps.tenants.fleet.plans import Target
from shared_apps.tenants.fleet.rehearsal import NobodyToRehearse, Rehearsal, rehearse_release
from shared_apps.tenants.fleet.repair import (
    DriftStale,
    RepairFailed,
    SchemaBusy,
    repair_schema,
)
from shared_apps.tenants.fleet.status import fleet_status
from shared_apps.tenants.management.commands.migrate import add_fleet_arguments
from shared_apps.tenants.postgresql.catalogue import SchemaNotFound
from shared_apps.tenants.template import TemplateStale

_MIB = 1024 * 1024


class Command(BaseCommand):
    """One command with a subcommand for each verb of the fleet."""

    help = "Says who is at which release, migrates, rehearses, finds and mends drift."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        status = verbs.add_parser("status", help="Who is at the release, who is behind.")
        status.add_argument("--json", action="store_true")
        migrate = verbs.add_parser("migrate", help="As manage.py migrate.")
        migrate.add_argument("app_label", nargs="?")
        migrate.add_argument("migration_name", nargs="?")
        migrate.add_argument("--plan", action="store_true", help="Show what would be done.")
        add_fleet_arguments(migrate)
        rehearse = verbs.add_parser(
            "rehearse", help="Try the release on copies of tenants; tells locks and rewritten rows."
        )
        rehearse.add_argument("app_label", nargs="?")
        rehearse.add_argument("migration_name", nargs="?")
        rehearse.add_argument("--tenant", action="append", default=[], metavar="NAME")
        rehearse.add_argument("--sample", type=int, default=3, metavar="N")
        rehearse.add_argument("--json", action="store_true")
        drift = verbs.add_parser("drift", help="What is otherwise than in the release, as DDL.")
        drift.add_argument("--tenant", action="append", default=[], metavar="NAME")
        drift.add_argument("--json", action="store_true")
        repair = verbs.add_parser("repair", help="Mend what drift shows.")
        repair.add_argument("--tenant", action="append", default=[], metavar="NAME")
        repair.add_argument(
            "--destructive", action="store_true", help="Also what destroys rows or columns."
        )
        repair.add_argument("--yes", action="store_true", help="Don't ask.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Call the subcommand's verb."""
        try:
            {
                "status": self._status,
                "migrate": self._migrate,
                "rehearse": self._rehearse,
                "drift": self._drift,
                "repair": self._repair,
            }[verb](options)
        except (
            DriftStale,
            NobodyToRehearse,
            ReleaseBroken,
            RepairFailed,
            SchemaBusy,
            SchemaNotFound,
            TemplateStale,
        ) as refused:
            raise CommandError(str(refused)) from refused

    # --- Verbs -----------------------------------------------------------------------------------

    def _status(self, options: dict[str, Any]) -> None:
        status = fleet_status()
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(status), default=_as_text))
            return
        title = f"Release {status.release[:12] or 'none yet'}"
        table = Table("", "", title=title, show_header=False)
        table.add_row("tenants", str(status.tenants))
        table.add_row("ready schemas", str(status.ready))
        table.add_row("at the release", str(status.at_release))
        table.add_row("behind", _listed(status.behind))
        table.add_row("without their schema", _listed(status.without_schema))
        run = status.last_run
        if run is not None:
            state = f"{run.finished_at:%Y-%m-%d %H:%M}" if run.finished_at else "not ended"
            table.add_row(
                f"last run ({run.target})",
                f"{run.done} done, {run.failed} failed of {run.planned}; {state}"
                + (f"; {run.stopped_because}" if run.stopped_because else ""),
            )
        for failure in status.failures:
            table.add_row(f"failed: {failure.tenant or failure.schema}", failure.error)
        self._print(table)

    def _migrate(self, options: dict[str, Any]) -> None:
        where = [part for part in (options["app_label"], options["migration_name"]) if part]
        names = ("tenant", "canary", "sample", "max_failures", "processes", "json", "plan")
        call_command(
            "migrate",
            *where,
            stdout=self.stdout,
            verbosity=options["verbosity"],
            **{name: options[name] for name in names},
        )

    def _rehearse(self, options: dict[str, Any]) -> None:
        target = Target(options["app_label"] or "", options["migration_name"] or "")
        found = rehearse_release(target=target, only=options["tenant"], sample=options["sample"])
        if options["json"]:
            self.stdout.write(json.dumps([dataclasses.asdict(entry) for entry in found]))
        else:
            for rehearsal in found:
                self._print(_rehearsal_table(rehearsal))
        failed = [rehearsal for rehearsal in found if rehearsal.error]
        if failed and options["json"]:
            raise SystemExit(1)
        if failed:
            lines = "\n".join(f"  {entry.tenant}: {entry.error}" for entry in failed)
            raise CommandError(
                f"The release fails on {len(failed)} of {len(found)} copies. The tenants "
                f"themselves are as they were:\n{lines}"
            )

    def _drift(self, options: dict[str, Any]) -> None:
        report = find_drift(schemas=_schemas_of(options["tenant"]))
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(report), default=_as_text))
        else:
            self._show_drift(report)
        if not report.is_clean:
            raise SystemExit(1)

    def _repair(self, options: dict[str, Any]) -> None:
        report = find_drift(schemas=_schemas_of(options["tenant"]))
        if not report.drifted:
            self._show_drift(report)
            return
        self._show_drift(report)
        if not options["yes"] and not self._is_confirmed(len(report.drifted)):
            raise CommandError("Nothing was changed.")
        left = 0
        for drift in report.drifted:
            repaired = repair_schema(
                schema=drift.schema,
                differences=drift.differences,
                destructive=options["destructive"],
            )
            left += len(repaired.left)
            self.stdout.write(
                f"{_name(drift)}: {len(repaired.mended)} mended, {len(repaired.left)} left"
                + (", as the release" if repaired.is_whole else "")
            )
            for entry in repaired.left:
                self.stdout.write(f"  left: {entry.difference}. {entry.reason}")
        if left:
            raise CommandError(f"{left} difference(s) were left; the lines above say why.")

    # --- Parts -----------------------------------------------------------------------------------

    def _show_drift(self, report: DriftReport) -> None:
        for drift in report.drifted:
            self.stdout.write(f"\n{_name(drift)} ({drift.schema})")
            for difference in drift.differences:
                self.stdout.write(f"  {difference}")
                for statement in difference.statements:
                    self.stdout.write(f"      {statement};")
                if difference.loss:
                    self.stdout.write(f"      would destroy {difference.loss}")
                if difference.by_hand:
                    self.stdout.write(f"      {difference.by_hand}")
        for behind in report.behind:
            names = ", ".join(".".join(key) for key in (*behind.missing, *behind.unknown))
            self.stdout.write(
                f"\n{behind.tenant or behind.schema} has other migrations ({names}): "
                "run `manage.py migrate` first."
            )
        self.stdout.write(
            f"{report.checked} schemas compared in {report.seconds:.1f} s: {len(report.drifted)} "
            f"drifted, {len(report.behind)} behind."
        )

    def _is_confirmed(self, schemas: int) -> bool:
        answer = input(f"Mend {schemas} schema(s) by the statements above? [y/N] ")
        return answer.strip().lower() in {"y", "yes"}

    def _print(self, table: Table) -> None:
        Console(file=self.stdout).print(table)  # type: ignore[arg-type] # OutputWrapper is a text stream


def _schemas_of(names: list[str]) -> list[str] | None:
    """Schema names for subdomains or schema names; None where none is named."""
    if not names:
        return None
    known = {member.subdomain: member.schema_name for member in members() if member.subdomain}
    return [known.get(name, name) for name in names]


def _name(drift: Drift) -> str:
    return drift.tenant or drift.schema


def _listed(names: Any) -> str:
    if not names:
        return "none"
    shown = ", ".join(names[:10])
    return f"{len(names)}: {shown}" + (" …" if len(names) > 10 else "")  # noqa: PLR2004


def _as_text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else sorted(value)


def _rehearsal_table(rehearsal: Rehearsal) -> Table:
    table = Table(
        "Migration",
        "Seconds",
        "Locks that keep others out",
        "Rows rewritten",
        title=(
            f"{rehearsal.tenant}: {rehearsal.rows} rows, {rehearsal.bytes / _MIB:.1f} MiB, copied in "
            f"{rehearsal.copied_seconds:.1f} s, migrated in {rehearsal.seconds:.2f} s"
        ),
    )
    for step in rehearsal.steps:
        locks = ", ".join(f"{table}: {mode}" for table, mode in sorted(step.locks.items()))
        rewritten = ", ".join(f"{table}: {rows}" for table, rows in sorted(step.rewritten.items()))
        table.add_row(
            step.migration,
            f"{step.seconds:.3f}",
            locks or ("none" if step.atomic else "not seen (not atomic)"),
            rewritten or "none",
        )
    if rehearsal.error:
        table.add_row("FAILED", "", rehearsal.error, "")
    return table
