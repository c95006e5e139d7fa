"""`manage.py migrate`: the public schema, the template, every tenant, the pool."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import DEFAULT_DB_ALIAS
from rich.console import Console

from shared_apps.tenants import migrating
from shared_apps.tenants.fleet.detection import members
from shared_apps.tenants.fleet.display import (
    Bar,
    Lines,
    failures_table,
    is_watched,
    plan_json,
    plan_table,
)
from shared_apps.tenants.fleet.plans import Target
from shared_apps.tenants.fleet.runs import Rules, groups_behind
from shared_apps.tenants.postgresql.template_ddl import UnsupportedInTemplate
from shared_apps.tenants.schemas import OWNER, owner_database
from shared_apps.tenants.template import SchemaDiffers

# With these Django shows or checks and changes nothing.
_LOOKING = ("plan", "check_unapplied")


def add_fleet_arguments(parser: CommandParser) -> None:
    """What says how a run over the fleet goes about it."""
    parser.add_argument(
        "--tenant", action="append", default=[], metavar="NAME", help="Only this one; repeatable."
    )
    parser.add_argument(
        "--canary",
        action="append",
        default=[],
        metavar="NAME",
        help="Goes first; if it fails nobody else is touched. Repeatable.",
    )
    parser.add_argument(
        "--sample", type=int, default=2, metavar="N", help="How many more go before the rest."
    )
    parser.add_argument(
        "--max-failures", type=int, default=0, metavar="N", help="Stop after N. Default: never."
    )
    parser.add_argument(
        "--processes", type=int, default=0, metavar="N", help="Default: twice the processors."
    )
    parser.add_argument("--json", action="store_true", help="One line of JSON for programs.")


class Command(DjangoCommand):
    """Django's command for the public schema, then the same for all tenants."""

    help = (
        "Migrates the public schema, the template, every tenant that is behind, and the pool of "
        "ready schemas. Goes on past a tenant that fails and then ends non-zero; run it again to "
        "retry those that failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's own arguments, and the fleet's."""
        super().add_arguments(parser)
        add_fleet_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run Django's command as the owner, then the tenants'."""
        database = owner_database()
        if options["database"] not in {DEFAULT_DB_ALIAS, OWNER}:
            raise CommandError(
                "Terrace migrates one database, over DATABASE_ADMIN_URL. Leave --database out."
            )
        target = Target(
            app_label=options["app_label"] or "",
            migration_name=options["migration_name"] or "",
            fake=options["fake"],
            fake_initial=options["fake_initial"],
        )
        database.set_schema_to_public()
        quiet = {**options, "verbosity": 0} if options["json"] else options
        super().handle(*args, **{**quiet, "database": OWNER})
        if options["plan"]:
            self._show_plan(target, options)
        if any(options[name] for name in _LOOKING):
            self._look(options)
            return
        if options["prune"]:
            return
        migrating.grant_public()
        self.migrate_fleet(target, options)

    def _show_plan(self, target: Target, options: dict[str, Any]) -> None:
        groups = groups_behind(target, only=options["tenant"])
        if options["json"]:
            self.stdout.write(plan_json(groups))
        elif groups:
            self._console().print(plan_table(groups))

    def _look(self, options: dict[str, Any]) -> None:
        behind = migrating.schemas_behind_code()
        if not options["json"]:
            self.stdout.write(
                f"Schemas behind this code: {len(behind)} {' '.join(behind[:20])}".strip()
            )
        if behind and options["check_unapplied"]:
            raise SystemExit(1)

    def migrate_fleet(self, target: Target, options: dict[str, Any]) -> None:
        """Migrate the template and the fleet, and say how it went."""
        rules = Rules(
            only=options["tenant"],
            canaries=options["canary"],
            sample=options["sample"],
            max_failures=options["max_failures"],
            processes=options["processes"],
        )
        talks = options["verbosity"] >= 1 and not options["json"]

        def report(line: str) -> None:
            if talks:
                self.stdout.write(f"  {line}")

        try:
            if talks and is_watched():
                with Bar(self._console()) as bar:
                    done = migrating.migrate_tenants(
                        target=target, rules=rules, report=report, observer=bar
                    )
            else:
                lines = Lines(self.stdout) if talks else None
                done = migrating.migrate_tenants(
                    target=target, rules=rules, report=report, observer=lines
                )
        except (UnsupportedInTemplate, SchemaDiffers) as refused:
            raise CommandError(
                f"{refused}\nNo tenant was migrated; new ones are still made as before."
            ) from refused
        if options["json"]:
            self.stdout.write(_as_json(done))
        elif talks:
            self.stdout.write(
                f"Tenants migrated: {len(done.tenants)}, failed: {len(done.failed)}, "
                f"left: {len(done.left)}; ready schemas made: {done.ready_made}"
            )
        self._end(done, is_json=options["json"])

    def _end(self, done: migrating.Migrated, *, is_json: bool) -> None:
        if not (done.failed or done.left):
            return
        if is_json:
            raise SystemExit(1)
        names = {member.schema_name: member.subdomain for member in members()}
        console = Console(width=200, no_color=True)
        with console.capture() as captured:
            console.print(failures_table(done.failed, names))
        why = f"{done.stopped_because}\n" if done.stopped_because else ""
        raise CommandError(
            f"{why}{len(done.failed)} schema(s) could not be migrated, {len(done.left)} were not "
            "tried; the others are migrated. Mend the cause and run migrate again:\n"
            f"{captured.get()}"
        )

    def _console(self) -> Console:
        return Console(file=self.stdout)  # type: ignore[arg-type] # OutputWrapper is a text stream


def _as_json(done: migrating.Migrated) -> str:
    return json.dumps(
        {
            "migrated": done.tenants,
            "failed": done.failed,
            "left": done.left,
            "stopped_because": done.stopped_because,
            "ready_made": done.ready_made,
        }
    )
