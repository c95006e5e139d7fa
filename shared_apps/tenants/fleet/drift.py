"""Which schemas are not what the release says: found for all tenants with one query.

A schema is made from the release's statements in a transaction that is rolled back, so it has role,
grants and default privileges like any tenant's, and all schemas are compared with it: first by hash
(drift_hashes), then, where the hash is another one, by name and in full (postgresql.catalogue). What
differs is told as data, with the DDL that would mend it (drift_ddl). repair.py applies it.

A schema whose `django_migrations` are not the release's is behind (or ahead), which is no drift: it
is migrated, not repaired.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from psycopg import sql
from psycopg.rows import tuple_row

from shared_apps.tenants.fleet.drift_ddl import explain_differences
from shared_apps.tenants.fleet.drift_hashes import SchemaHash, hash_schemas
from shared_apps.tenants.fleet.drift_model import PRIVILEGES, STRUCTURE, Line, SchemaDifference
from shared_apps.tenants.fleet.drift_schemas import (
    FleetSchema,
    ReleaseBroken,
    SchemaForeign,
    fleet_schemas,
    means_of,
    read_schema,
    reference_schema,
    release_row,
    role_of,
)
from shared_apps.tenants.postgresql.catalogue import (
    MIGRATIONS_TABLE,
    Catalogue,
    PsycopgConnection,
    SchemaNotFound,
)
from shared_apps.tenants.schemas import owner_transaction
from shared_apps.tenants.template import TEMPLATE_SCHEMA

# Up to so many schemas it is quicker to read each one in full than to read the catalogues.
_FEW: Final = 16
# Each table that is read stays locked until the transaction ends, and PostgreSQL's table of locks
# has some thousands of places.
_CHUNK: Final = 200
_MISSING_BY_HAND: Final = (
    "The whole schema is gone. Restore the tenant from its archive, or erase it. A ready schema "
    "that is gone is dropped from the pool."
)

__all__ = ["Behind", "Drift", "DriftReport", "ReleaseBroken", "find_drift"]

Migrations = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Drift:
    """A schema that has the release's migrations and differs from the release all the same.

    `tenant` is the subdomain, or None for a ready schema and for the template. The differences are
    in the order in which they are mended.
    """

    schema: str
    tenant: str | None
    differences: tuple[SchemaDifference, ...]


@dataclass(frozen=True, slots=True)
class Behind:
    """A schema with other migrations than the release: those it lacks, and those it alone has."""

    schema: str
    tenant: str | None
    missing: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What was found in how many schemas. Whoever is behind was not compared further."""

    checked: int
    drifted: tuple[Drift, ...]
    behind: tuple[Behind, ...]
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether every schema is the release's equal."""
        return not self.drifted and not self.behind


def find_drift(*, schemas: Sequence[str] | None = None) -> DriftReport:
    """Compare the tenants' schemas, the ready ones and the template with the release.

    One query reads them all, in a time that grows with PostgreSQL's catalogues; only what differs
    is read again. Nothing is changed, and no tenant has to wait.

    Args:
        schemas: the names of these alone; all by default. Up to 16 are read one by one.
    Raises:
        SchemaNotFound: a name is neither a tenant's schema, nor a ready one, nor the template.
        TemplateStale: there is no release yet.
        ReleaseBroken: its statements don't make what its row says.
        OwnerConnectionMissing: this process has no DATABASE_ADMIN_URL.
    Runs in: PostgreSQL's catalogues and each schema's `django_migrations`, as the owner.
    """
    began = time.monotonic()
    hashes: dict[str, SchemaHash] | None = None
    expected: SchemaHash | None = None
    with owner_transaction() as connection:
        targets = fleet_schemas(schemas)
        owner = role_of(connection)
        with reference_schema(connection, release_row(), owner=owner) as reference:
            if len(targets) > _FEW:
                names = [target.name for target in targets]
                hashes = hash_schemas(connection, [*names, reference.schema_name], owner=owner)
                expected = hashes.pop(reference.schema_name)
    behind: list[Behind] = []
    groups = [[target] for target in targets]
    if hashes is not None and expected is not None:
        others = _other_migrations(hashes, frozenset(reference.migrations))
        behind += [_behind(t, others[t.name], reference) for t in targets if t.name in others]
        groups = _differing([t for t in targets if t.name not in others], expected, hashes)
    drifted: list[Drift] = []
    for group in groups:
        for outcome in _examine(group, reference, owner):
            if isinstance(outcome, Drift):
                drifted.append(outcome)
            else:
                behind.append(outcome)
    return DriftReport(len(targets), tuple(drifted), tuple(behind), time.monotonic() - began)


def _differing(
    targets: Iterable[FleetSchema], expected: SchemaHash, hashes: Mapping[str, SchemaHash]
) -> list[list[FleetSchema]]:
    """The schemas whose hash is not the expected one; those that are the same in one group."""
    groups: dict[object, list[FleetSchema]] = {}
    for target in targets:
        found = hashes.get(target.name)
        is_template = target.name == TEMPLATE_SCHEMA
        if found is not None:
            found = replace(found, privileges=expected.privileges) if is_template else found
            if found == expected:
                continue
        is_known = found is not None and not found.others and not is_template
        key = (found, target.lacks_writes) if is_known else target.name
        groups.setdefault(key, []).append(target)
    return list(groups.values())


def _examine(
    group: Sequence[FleetSchema], reference: Catalogue, owner: str
) -> Iterator[Drift | Behind]:
    """What is otherwise in schemas that are all alike: the first is read, the others are like it."""
    first = group[0]
    with owner_transaction() as connection:
        try:
            found = read_schema(connection, first, reference, owner=owner)
        except SchemaNotFound:
            yield from (Drift(target.name, target.tenant, (_missing_schema(),)) for target in group)
            return
        except SchemaForeign as error:
            yield from (
                Drift(target.name, target.tenant, (_foreign_schema(str(error)),))
                for target in group
            )
            return
        for target in group:
            if frozenset(found.migrations) != frozenset(reference.migrations):
                yield _behind(target, frozenset(found.migrations), reference)
                continue
            own = replace(found, schema_name=target.name)
            means = means_of(connection, own, owner=owner)
            differences = explain_differences(own, reference, means=means)
            if differences:
                yield Drift(target.name, target.tenant, tuple(differences))


def _missing_schema() -> SchemaDifference:
    line = Line(STRUCTURE, "schema", None, "there")
    return SchemaDifference("missing schema", "schema", (line,), by_hand=_MISSING_BY_HAND)


def _foreign_schema(sentence: str) -> SchemaDifference:
    line = Line(PRIVILEGES, "schema", "another owner", "OWNER to {owner}")
    return SchemaDifference("wrong owner", "schema", (line,), by_hand=sentence)


def _behind(target: FleetSchema, found: Migrations, reference: Catalogue) -> Behind:
    expected = frozenset(reference.migrations)
    return Behind(
        schema=target.name,
        tenant=target.tenant,
        missing=tuple(sorted(expected - found)),
        unknown=tuple(sorted(found - expected)),
    )


# --- Migrations -------------------------------------------------------------------------------


def _other_migrations(
    hashes: Mapping[str, SchemaHash], expected: Migrations
) -> dict[str, Migrations]:
    """The applied migrations of the schemas where they are not the expected ones."""
    names = [name for name, found in hashes.items() if found.has_migrations]
    others = {name: Migrations() for name, found in hashes.items() if not found.has_migrations}
    digest = _digest(expected)
    for start in range(0, len(names), _CHUNK):
        with owner_transaction() as connection:
            digests = _digests(connection, names[start : start + _CHUNK])
            for name, found in digests.items():
                if found != digest:
                    others[name] = _applied(connection, name)
    return others


def _digest(migrations: Migrations) -> str:
    text = ",".join(sorted(f"{app}.{name}" for app, name in migrations))
    return hashlib.sha256(text.encode()).hexdigest()


_DIGEST: Final = sql.SQL(
    """
    SELECT {name}, encode(sha256(convert_to(coalesce(
        string_agg(DISTINCT migration, ',' ORDER BY migration), ''), 'UTF8')), 'hex')
    FROM (SELECT concat(app, '.', name) COLLATE "C" AS migration FROM {table}) applied
    """
)


def _digests(connection: PsycopgConnection, names: Sequence[str]) -> dict[str, str]:
    """A hash of each schema's applied migrations; without those that can't be read any more."""
    there = connection.cursor(row_factory=tuple_row).execute(
        """
        SELECT nspname FROM pg_namespace
        WHERE nspname = ANY(%s) AND CASE WHEN has_schema_privilege(oid, 'USAGE') THEN
            has_table_privilege(to_regclass(format('%%I.%%I', nspname, %s::text)), 'SELECT') END
        """,
        [list(names), MIGRATIONS_TABLE],
    )
    parts = [
        _DIGEST.format(name=name, table=sql.Identifier(name, MIGRATIONS_TABLE)) for (name,) in there
    ]
    if not parts:
        return {}
    cursor = connection.cursor(row_factory=tuple_row)
    return dict(cursor.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall())


def _applied(connection: PsycopgConnection, name: str) -> Migrations:
    query = sql.SQL("SELECT app, name FROM {}").format(sql.Identifier(name, MIGRATIONS_TABLE))
    rows = connection.cursor(row_factory=tuple_row).execute(query).fetchall()
    return frozenset((app, migration) for app, migration in rows)
