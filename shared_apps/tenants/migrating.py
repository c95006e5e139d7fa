"""Brings the template, every tenant and the ready pool to the same migrations.

The order is: the public schema (the command's part), the template, the tenants that are behind,
the pool. A tenant that fails does not stop the others. Which are behind is found with one query
for every 500 tenants; a tenant that is not costs nothing more.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from shared_apps.tenants import ready_pool
from shared_apps.tenants.models import SchemaTemplate, Status, Tenant
from shared_apps.tenants.postgresql.catalogue import (
    MIGRATIONS_TABLE,
    PsycopgConnection,
    SchemaNotFound,
)
from shared_apps.tenants.schemas import (
    OWNER,
    grant_public_rows,
    grant_rows,
    owner_database,
    owner_transaction,
)
from shared_apps.tenants.template import (
    TEMPLATE_SCHEMA,
    create_template_schema,
    missing_migrations,
    prepare_release,
)

logger = logging.getLogger(__name__)

_CHUNK = 500
# A session lock, so that two `migrate` at once take turns.
_MIGRATING = 0x7465727261636502
# A tenant that was claimed from an older pool meanwhile is found in the next round.
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: everything, or one app up or down to one migration, as in Django's command."""

    app_label: str = ""
    migration_name: str = ""
    fake: bool = False


@dataclass
class Migrated:
    """What was done: tenants migrated and failed (schema name → reason), ready schemas made."""

    tenants: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    ready_made: int = 0


def migrate_tenants(
    *, target: Target | None = None, report: Callable[[str], None] = logger.info
) -> Migrated:
    """Migrate the template, the tenants that are behind it, and the pool.

    Args:
        report: is told of each schema that was migrated, in a short line.
    Returns:
        What was done and what failed. It goes on past a tenant that fails.
    Raises:
        OwnerConnectionMissing: this process may not alter tables.
        UnsupportedInTemplate, SchemaDiffers: no new tenant could be made from the template.
    Runs in: the public schema, the template and each tenant's, as the owner.
    """
    target = target or Target()
    with migrating_alone():
        create_template_schema()
        if migrate_schema(TEMPLATE_SCHEMA, target):
            report("template migrated")
        prepare_release()
        done = Migrated(ready_made=ready_pool.fill())
        for _ in range(_ROUNDS):
            behind = [name for name in schemas_behind() if name not in done.failed]
            if not behind:
                break
            for name in behind:
                _migrate_tenant(name, target, done)
                report(f"{name} {'FAILED' if name in done.failed else 'migrated'}")
    return done


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
        executor = MigrationExecutor(connection)
        executor.loader.check_consistent_history(connection)
        targets = _targets(executor, target)
        plan = executor.migration_plan(targets)
        if plan:
            executor.migrate(targets, plan, fake=target.fake)
        return bool(plan)
    finally:
        connection.set_schema_to_public()


def schemas_behind() -> list[str]:
    """The schemas of tenants whose applied migrations are not the template's, oldest tenant first.

    A tenant without its schema or its migrations table is among them.
    Runs in: the public schema, as the owner.
    """
    with owner_transaction() as connection:
        names = list(
            Tenant.objects.using(OWNER)
            .exclude(status=Status.ERASED)
            .order_by("id")
            .values_list("schema_name", flat=True)
        )
        migrated = set(_with_migrations(connection, names))
        hashes: dict[str, str] = {}
        present = [TEMPLATE_SCHEMA, *(name for name in names if name in migrated)]
        for start in range(0, len(present), _CHUNK):
            hashes.update(_hashes(connection, present[start : start + _CHUNK]))
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


@contextmanager
def migrating_alone() -> Iterator[None]:
    """Wait until no other process migrates, and keep others from it until the end.

    Raises:
        OwnerConnectionMissing: this process may not alter tables.
    """
    database = owner_database()
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATING])
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATING])


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


def _targets(executor: MigrationExecutor, target: Target) -> list[tuple[str, str | None]]:
    graph = executor.loader.graph
    if not target.app_label:
        return list(graph.leaf_nodes())
    if target.migration_name == "zero":
        return [(target.app_label, None)]
    if target.migration_name:
        found = executor.loader.get_migration_by_prefix(target.app_label, target.migration_name)
        return [(target.app_label, found.name)]
    return list(graph.leaf_nodes(target.app_label))


def _migrate_tenant(name: str, target: Target, done: Migrated) -> None:
    try:
        migrate_schema(name, target)
        with owner_transaction() as connection:
            grant_rows(connection, name)
    except Exception as error:
        logger.exception("Migrating %s failed", name)
        done.failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    else:
        done.tenants.append(name)


def _with_migrations(connection: PsycopgConnection, names: Sequence[str]) -> list[str]:
    cursor = connection.execute(
        "SELECT n.nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid "
        "WHERE c.relname = %s AND n.nspname = ANY(%s)",
        [MIGRATIONS_TABLE, list(names)],
    )
    return [name for (name,) in cursor.fetchall()]


def _hashes(connection: PsycopgConnection, names: Sequence[str]) -> dict[str, str]:
    one = sql.SQL(
        "SELECT {name}, (SELECT md5(string_agg(concat(app, '.', name), ',' ORDER BY app, name))"
        " FROM {table})"
    )
    query = sql.SQL(" UNION ALL ").join(
        one.format(name=name, table=sql.Identifier(name, MIGRATIONS_TABLE)) for name in names
    )
    return {name: digest or "" for name, digest in connection.execute(query).fetchall()}
