"""`manage.py migrate`: the public schema, the template, every tenant, the pool."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import DEFAULT_DB_ALIAS

from shared_apps.tenants import migrating
from shared_apps.tenants.postgresql.template_ddl import UnsupportedInTemplate
from shared_apps.tenants.schemas import OWNER, owner_database
from shared_apps.tenants.template import SchemaDiffers

# With these Django shows or checks and changes nothing.
_LOOKING = ("plan", "check_unapplied")


class Command(DjangoCommand):
    """Django's command for the public schema, then the same for all tenants."""

    help = (
        "Migrates the public schema, the template, every tenant that is behind, and the pool of "
        "ready schemas. Goes on past a tenant that fails and then ends non-zero."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run Django's command as the owner, then the tenants'."""
        database = owner_database()
        if options["database"] not in {DEFAULT_DB_ALIAS, OWNER}:
            raise CommandError(
                "Terrace migrates one database, over DATABASE_ADMIN_URL. Leave --database out."
            )
        options["database"] = OWNER
        database.set_schema_to_public()
        super().handle(*args, **options)
        if any(options[name] for name in _LOOKING):
            self._look(options)
            return
        if options["prune"]:
            return
        migrating.grant_public()
        self._migrate_tenants(options)

    def _look(self, options: dict[str, Any]) -> None:
        behind = migrating.schemas_behind_code()
        self.stdout.write(
            f"Schemas behind this code: {len(behind)} {' '.join(behind[:20])}".strip()
        )
        if behind and options["check_unapplied"]:
            raise SystemExit(1)

    def _migrate_tenants(self, options: dict[str, Any]) -> None:
        target = migrating.Target(
            app_label=options["app_label"] or "",
            migration_name=options["migration_name"] or "",
            fake=options["fake"],
        )

        def report(line: str) -> None:
            if options["verbosity"] >= 1:
                self.stdout.write(f"  {line}")

        try:
            done = migrating.migrate_tenants(target=target, report=report)
        except (UnsupportedInTemplate, SchemaDiffers) as refused:
            raise CommandError(
                f"{refused}\nNo tenant was migrated; new ones are still made as before."
            ) from refused
        if options["verbosity"] >= 1:
            self.stdout.write(
                f"Tenants migrated: {len(done.tenants)}, failed: {len(done.failed)}; "
                f"ready schemas made: {done.ready_made}"
            )
        if done.failed:
            rows = "\n".join(f"  {name}  {reason}" for name, reason in sorted(done.failed.items()))
            raise CommandError(
                f"{len(done.failed)} tenant(s) could not be migrated; the others are. Mend the "
                f"cause and run migrate again:\n{rows}"
            )
