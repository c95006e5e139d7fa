"""The template schema: migrated by Django for real, and what every new tenant's is made like.

After each migration `prepare_release` reads the template's DDL, makes a schema from it, compares
the two, and keeps statements and fingerprint in the one row of SchemaTemplate. What that row says
is the release. No schema that differs from it is given to a tenant, and no code that knows of a
migration which the template lacks makes one.
"""

from functools import cache

from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from shared_apps.tenants import context
from shared_apps.tenants.keys import new_schema_name
from shared_apps.tenants.models import SchemaTemplate
from shared_apps.tenants.postgresql.catalogue import (
    Difference,
    PsycopgConnection,
    SchemaDescription,
    describe_schema,
    differences,
)
from shared_apps.tenants.postgresql.template_ddl import quoted, template_statements
from shared_apps.tenants.router import tenant_app_labels
from shared_apps.tenants.schemas import OWNER, create_roles, create_schema, owner_transaction

TEMPLATE_SCHEMA = "terrace_template"

# Releases that this process has found to have all of its migrations.
_fit_releases: set[tuple[str, str]] = set()


class TemplateStale(RuntimeError):
    """There is no template, or it lacks a migration that this code has."""


class SchemaDiffers(RuntimeError):
    """A schema that was made from the template's DDL is not the template's equal."""

    def __init__(self, found: list[Difference]) -> None:
        lines = "\n".join(f"- {difference}" for difference in found)
        super().__init__(
            "A schema made from the template's DDL differs from the template (first | second), "
            f"so no tenant can be made from it:\n{lines}"
        )
        self.differences = found


def require_release() -> SchemaTemplate:
    """The release's template, if it has all that this code expects of a tenant's schema.

    A template that is ahead is fine: during a deployment the old code goes on for a while.

    Raises:
        TemplateStale: there is none, or it lacks a migration of this code.
    Runs in: the public schema, whatever is set.
    """
    with context.run_in_public():
        release = SchemaTemplate.objects.defer("statements", "migrations").first()
        if release is None:
            raise TemplateStale("There is no template schema yet. Run `manage.py migrate`.")
        if not is_fit(release.fingerprint, release.migrations_hash):
            _require_migrations(release)
            _fit_releases.add((release.fingerprint, release.migrations_hash))
    return release


def is_fit(fingerprint: str, migrations_hash: str) -> bool:
    """Whether require_release has found this release to be fit for this process's code."""
    return (fingerprint, migrations_hash) in _fit_releases


@cache
def code_migrations() -> frozenset[tuple[str, str]]:
    """The migrations of tenant apps that this code brings, as (app, name)."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    labels = tenant_app_labels()
    return frozenset(key for key in loader.graph.nodes if key[0] in labels)


def prepare_release() -> SchemaTemplate:
    """Read the template's DDL, prove that it makes the template's equal, and make it the release.

    Raises:
        SchemaNotFound: the template was never migrated.
        UnsupportedInTemplate: the template holds what can't be copied.
        SchemaDiffers: the proof failed; the release before stays.
    Runs in: the public schema, the template and a schema that is rolled back, as the owner.
    """
    with owner_transaction() as connection:
        statements = template_statements(
            connection, TEMPLATE_SCHEMA, seed_tables=settings.TERRACE_SEED_TABLES
        )
        before = SchemaTemplate.objects.using(OWNER).filter(name=TEMPLATE_SCHEMA).first()
        if before is not None and before.statements == statements:
            return before
        made = _prove(connection, statements)
        release = SchemaTemplate(
            name=TEMPLATE_SCHEMA,
            fingerprint=made.fingerprint,
            migrations_hash=made.migrations_hash,
            migrations=sorted(made.migrations),
            statements=statements,
        )
        release.save(using=OWNER)
    return release


def create_template_schema() -> None:
    """Make the empty template schema where there is none."""
    with owner_transaction() as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(TEMPLATE_SCHEMA)}".encode())


def differences_from_template(
    connection: PsycopgConnection, made: SchemaDescription
) -> list[Difference]:
    """How a schema differs from the template, grants aside: the template has no role."""
    template = describe_schema(connection, TEMPLATE_SCHEMA)
    return differences(
        SchemaDescription(template.structure, {}, template.migrations),
        SchemaDescription(made.structure, {}, made.migrations),
    )


def _prove(connection: PsycopgConnection, statements: list[str]) -> SchemaDescription:
    """Make a schema from the statements, compare it with the template, and take it back."""
    name = new_schema_name()
    with connection.transaction(force_rollback=True):
        create_roles(connection, [name])
        create_schema(connection, name, statements)
        made = describe_schema(connection, name)
    found = differences_from_template(connection, made)
    if found:
        raise SchemaDiffers(found)
    return made


def missing_migrations(release: SchemaTemplate) -> list[tuple[str, str]]:
    """The migrations of this code that the template lacks, as (app, name)."""
    applied = {(app, name) for app, name in release.migrations}
    return sorted(code_migrations() - applied)


def _require_migrations(release: SchemaTemplate) -> None:
    missing = missing_migrations(release)
    if missing:
        names = ", ".join(f"{app}.{name}" for app, name in missing[:5])
        raise TemplateStale(
            f"The template schema lacks {len(missing)} migration(s) of this code ({names}). "
            "Run `manage.py migrate`."
        )
