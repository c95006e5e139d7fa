"""Brings the template, every tenant and the ready pool to the same migrations.

The order is: the public schema (the command's part), the template, then the fleet: ready schemas and
tenants that are behind (fleet/runs.py). A schema that fails does not stop the others. Which are
behind is found with one query for every 100; one that is not costs nothing more.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from shared_apps.tenants import ready_pool
from shared_apps.tenants.fleet.detection import applied_hashes, members
from shared_apps.tenants.fleet.ledger import has_pending, settle_done
from shared_apps.tenants.fleet.plans import Target, targets_of
from shared_apps.tenants.fleet.runs import Observer, Rules, fleet_alone, run_fleet
from shared_apps.tenants.models import SchemaTemplate
from shared_apps.tenants.postgresql.catalogue import MIGRATIONS_TABLE, SchemaNotFound
from shared_apps.tenants.router import routed_to_owner
from shared_apps.tenants.schemas import (
    OWNER,
    grant_public_rows,
    owner_database,
    owner_transaction,
)
from shared_apps.tenants.template import (
    TEMPLATE_SCHEMA,
    create_template_schema,
    missing_migrations,
    prepare_release,
)

__all__ = ["Migrated", "Rules", "Target", "migrate_schema", "migrate_tenants"]

logger = logging.getLogger(__name__)


@dataclass
class Migrated:
    """What was done: tenants migrated and failed (schema name → reason), ready schemas made.

    `left` were not tried: the run stopped before, for the reason in `stopped_because`.
    """

    tenants: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    stopped_because: str = ""
    ready_made: int = 0


def migrate_tenants(
    *,
    target: Target | None = None,
    rules: Rules | None = None,
    report: Callable[[str], None] = logger.info,
    observer: Observer | None = None,
) -> Migrated:
    """Migrate the template, the schemas that are behind it, and fill the pool.

    Args:
        rules: who goes first, when to stop; by default all, and on past every failure.
        report: is told of what was migrated besides tenants, in short lines.
        observer: is told of each schema that came to an end.
    Returns:
        What was done and what failed. It goes on past a schema that fails.
    Raises:
        OwnerConnectionMissing: this process may not alter tables.
        UnsupportedInTemplate, SchemaDiffers: no new tenant could be made from the template.
    Runs in: the public schema, the template and each tenant's, as the owner.
    """
    target = target or Target()
    with fleet_alone():
        create_template_schema()
        if migrate_schema(TEMPLATE_SCHEMA, target):
            report("template migrated")
        release = prepare_release()
        _settle(release)
        result = run_fleet(
            target=target,
            release=release.migrations_hash,
            rules=rules or Rules(),
            observer=observer,
        )
        ready_pool.accept_migrated()
        ready = {member.schema_name for member in members() if member.tenant_id is None}
        return Migrated(
            tenants=[name for name in result.done if name not in ready],
            failed=result.failed,
            left=result.left,
            stopped_because=result.stopped_because,
            # Where the target is behind this code, no tenant can be made by it.
            ready_made=0 if missing_migrations(release) else ready_pool.fill(),
        )


def migrate_schema(schema_name: str, target: Target) -> bool:
    """Run Django's migrations in one schema. Returns whether there was anything to do.

    Raises:
        SchemaNotFound: there is none of this name. PostgreSQL would pass over it in the search_path
            and make the tables in the next schema.
        django.db.Error and whatever a migration raises: that migration is rolled back.
    Runs in: that schema, as the owner.
    """
    connection = owner_database()
    _require_schema(schema_name)
    connection.set_schema(schema_name)
    try:
        with routed_to_owner():
            executor = MigrationExecutor(connection)
            executor.loader.check_consistent_history(connection)
            targets = targets_of(executor, target)
            plan = executor.migration_plan(targets)
            executor.migrate(targets, plan, fake=target.fake, fake_initial=target.fake_initial)
        return bool(plan)
    finally:
        connection.set_schema_to_public()


def schemas_behind(*, of_tenants: bool = True) -> list[str]:
    """The schemas whose applied migrations are not the template's, oldest tenant first.

    A tenant without its schema or its migrations table is among them.

    Args:
        of_tenants: leave out the pool's ready schemas.
    Runs in: the public schema, as the owner.
    """
    fleet = [member for member in members() if member.tenant_id is not None or not of_tenants]
    names = [member.schema_name for member in fleet]
    hashes = applied_hashes([TEMPLATE_SCHEMA, *names])
    return [name for name in names if hashes.get(name) != hashes[TEMPLATE_SCHEMA]]


def schemas_behind_code() -> list[str]:
    """The template, if it lacks a migration of this code, and the tenants that are behind it.

    Runs in: the public schema, as the owner.
    """
    with owner_transaction() as connection:
        table = SchemaTemplate._meta.db_table
        row = connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone()
        if row is None or row[0] is None:
            return [TEMPLATE_SCHEMA]
        release = SchemaTemplate.objects.using(OWNER).filter(name=TEMPLATE_SCHEMA).first()
    if release is None or missing_migrations(release):
        return [TEMPLATE_SCHEMA]
    return schemas_behind()


def find_migrations_table_by_name() -> None:
    """Let Django find its migrations table by name. Called once, when the apps are ready.

    MigrationRecorder.has_table() lists all tables that the role can see, four to five times for
    each tenant: the time of a whole run then grows with the square of the number of tenants.
    """

    def has_table(self: MigrationRecorder) -> bool:
        if not self._has_table:  # type: ignore[attr-defined] # django-stubs leave it out
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [MIGRATIONS_TABLE])
                row = cursor.fetchone()
            self._has_table = bool(row and row[0])  # type: ignore[attr-defined] # likewise
        return bool(self._has_table)  # type: ignore[attr-defined] # likewise

    MigrationRecorder.has_table = has_table  # type: ignore[method-assign]


def grant_public() -> None:
    """Open the public schema's tables, new ones too, to the application.

    Runs in: the public schema, as the owner.
    """
    with owner_transaction() as connection:
        grant_public_rows(connection)


def _require_schema(name: str) -> None:
    with owner_transaction() as connection:
        found = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [name])
        if found.fetchone() is None:
            raise SchemaNotFound(
                f"There is no schema {name} in this database. Restore the tenant, or erase it."
            )


def _settle(release: SchemaTemplate) -> None:
    """A run that was killed has migrated schemas that its ledger still has as waiting."""
    if not has_pending(release.migrations_hash):
        return
    behind = set(schemas_behind(of_tenants=False))
    done: Sequence[str] = [m.schema_name for m in members() if m.schema_name not in behind]
    settle_done(release.migrations_hash, done)
