"""Schemas that are ready before their tenant is there, so that signing up takes milliseconds.

A row per schema (ReadySchema). Claiming one deletes its row in the transaction that makes the
tenant, so a schema has a row here or a tenant, never both and never neither.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet
from django.utils import timezone
from psycopg import sql

from shared_apps.tenants import context
from shared_apps.tenants.keys import new_schema_name
from shared_apps.tenants.models import ReadySchema, SchemaTemplate, Tenant
from shared_apps.tenants.postgresql.catalogue import (
    PsycopgConnection,
    describe_schema,
)
from shared_apps.tenants.schemas import (
    OWNER,
    create_roles,
    create_schema,
    drop_schema,
    owner_transaction,
)
from shared_apps.tenants.template import (
    TEMPLATE_SCHEMA,
    SchemaDiffers,
    differences_from_template,
    is_fit,
    require_release,
)

logger = logging.getLogger(__name__)

# Advisory locks of this module: one number for reserving names, and one per request (8 bytes of
# its id). PostgreSQL 18 section 13.3.5.
_RESERVING = 0x7465727261636501

# Takes a schema of the release out of the pool: what was built for the request first, then the
# oldest. `condition` is one more, for a statement that this one is part of.
TAKE_SCHEMA = sql.SQL(
    """
        DELETE FROM tenants_readyschema WHERE name = (
            SELECT ready.name
            FROM tenants_readyschema ready
            JOIN tenants_schematemplate release
              ON release.fingerprint = ready.fingerprint
             AND release.migrations_hash = ready.migrations_hash
            WHERE ready.made_at IS NOT NULL
              AND (ready.reserved_for IS NULL OR ready.reserved_for = %(request_id)s)
              AND {condition}
            ORDER BY ready.reserved_for NULLS LAST, ready.made_at
            LIMIT 1
            FOR UPDATE OF ready SKIP LOCKED
        )
        RETURNING name, fingerprint, migrations_hash
    """
)


class PoolEmpty(LookupError):
    """No ready schema is there. One has to be built first, by a process that may."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How many schemas the pool has: ready to be claimed, begun, reserved, and stale."""

    ready: int
    begun: int
    reserved: int
    stale: int
    target: int


def claim_schema(*, request_id: UUID) -> str:
    """Take a ready schema out of the pool; it is the caller's when the transaction commits.

    Args:
        request_id: the provisioning that it is for. What was built for it is taken first.
    Returns:
        The schema's name.
    Raises:
        PoolEmpty: none of the release's is there.
        TemplateStale: the database is behind this code.
    Runs in: the public schema, inside the caller's transaction, as the application.
    """
    statement = TAKE_SCHEMA.format(condition=sql.SQL("true")).as_string(None)
    with context.run_in_public(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(statement, {"request_id": request_id})
        return require_taken(*(cursor.fetchone() or (None, "", "")))


def require_taken(name: str | None, fingerprint: str, migrations_hash: str) -> str:
    """The name of the schema that TAKE_SCHEMA took.

    Raises:
        PoolEmpty: it took none.
        TemplateStale: the database is behind this code, or the release is another one by now.
    """
    if name is None:
        require_release()
        raise PoolEmpty("No ready schema is left in the pool.")
    if not is_fit(fingerprint, migrations_hash):
        require_release()
    return name


def fill(target: int | None = None) -> int:
    """Make ready schemas until the pool has `target` of them, and drop those of older releases.

    Each schema is made in a transaction of its own. Safe to run in several processes at once, and
    to repeat after one was killed.

    Args:
        target: how many shall be ready; TERRACE_READY_POOL_SIZE by default.
    Returns:
        How many were made.
    Raises:
        OwnerConnectionMissing: this process may not make schemas.
        TemplateStale: the database is behind this code.
        SchemaDiffers: what was made is not the release's equal; it is not kept.
    Runs in: the public schema and the new ones, as the owner.
    """
    target = settings.TERRACE_READY_POOL_SIZE if target is None else target
    require_release()
    discard_stale()
    _begin(target)
    made = 0
    while _make_next():
        made += 1
    return made


def build_schema(*, request_id: UUID) -> str:
    """Make a schema for one provisioning, which alone may claim it.

    Safe to repeat: what was made before for the same request is kept. A customer waits for it, so
    its catalogue is not read: the release's proof was a schema made from the same statements.

    Raises:
        OwnerConnectionMissing: this process may not make schemas.
        TemplateStale: the database is behind this code.
    Runs in: the public schema and the new one, as the owner, in one transaction.
    """
    require_release()
    with owner_transaction() as connection:
        _lock(connection, request_id.int & (2**63 - 1))
        made = _usable(_rows()).filter(reserved_for=request_id).first()
        if made is not None:
            return made.name
        release = _release()
        ready = ReadySchema(
            name=new_schema_name(),
            fingerprint=release.fingerprint,
            migrations_hash=release.migrations_hash,
            reserved_for=request_id,
            reserved_at=timezone.now(),
            made_at=timezone.now(),
        )
        create_roles(connection, [ready.name])
        create_schema(connection, ready.name, release.statements)
        ready.save(using=OWNER, force_insert=True)
    return ready.name


def release_schema(*, request_id: UUID) -> None:
    """Give what was built for a provisioning to whoever comes next.

    Runs in: the public schema, as the application.
    """
    with context.run_in_public():
        ReadySchema.objects.filter(reserved_for=request_id).update(
            reserved_for=None, reserved_at=None
        )


def discard_stale() -> int:
    """Drop the pool's schemas that are not the release's. Returns how many.

    Runs in: the public schema, as the owner; one transaction for each schema.
    """
    return _discard(_stale)


def accept_migrated() -> int:
    """Take ready schemas that were migrated with the fleet as the release's. Returns how many.

    Each one's catalogue is read and compared: one that is not the release's equal stays stale, and
    `fill` drops it.
    Runs in: the public schema, as the owner; one transaction for each schema.
    """
    accepted = 0
    for name in list(_stale(_rows()).values_list("name", flat=True)):
        with owner_transaction() as connection:
            ready = _rows().select_for_update(skip_locked=True).filter(name=name).first()
            if ready is None:
                continue
            release = _release()
            made = describe_schema(connection, name)
            if (made.fingerprint, made.migrations_hash) != (
                release.fingerprint,
                release.migrations_hash,
            ):
                continue
            ready.fingerprint = made.fingerprint
            ready.migrations_hash = made.migrations_hash
            ready.save(using=OWNER, update_fields=["fingerprint", "migrations_hash"])
            accepted += 1
    return accepted


def discard_drifted() -> int:
    """Drop the pool's schemas whose tables are no longer what their row says. Returns how many.

    Reads each schema's catalogue: for off-peak hours.
    Runs in: the public schema, as the owner; one transaction for each schema.
    """
    with owner_transaction() as connection:
        drifted = [
            ready.name
            for ready in _usable(_rows())
            if describe_schema(connection, ready.name).fingerprint != ready.fingerprint
        ]
    return _discard(lambda rows: rows.filter(name__in=drifted))


def pool_size() -> PoolSize:
    """What is in the pool now.

    Runs in: the public schema, as the application.
    """
    with context.run_in_public():
        rows = ReadySchema.objects.all()
        usable = _usable(rows)
        return PoolSize(
            ready=usable.filter(reserved_for=None).count(),
            begun=rows.filter(made_at=None).count(),
            reserved=usable.exclude(reserved_for=None).count(),
            stale=_stale(rows).count(),
            target=settings.TERRACE_READY_POOL_SIZE,
        )


def _rows() -> QuerySet[ReadySchema]:
    return ReadySchema.objects.using(OWNER)


def _usable(rows: QuerySet[ReadySchema]) -> QuerySet[ReadySchema]:
    release = SchemaTemplate.objects.using(rows.db).filter(name=TEMPLATE_SCHEMA)
    return rows.filter(
        made_at__isnull=False,
        fingerprint__in=release.values("fingerprint"),
        migrations_hash__in=release.values("migrations_hash"),
    )


def _stale(rows: QuerySet[ReadySchema]) -> QuerySet[ReadySchema]:
    return rows.filter(made_at__isnull=False).exclude(
        name__in=_usable(ReadySchema.objects.using(rows.db)).values("name")
    )


def _release() -> SchemaTemplate:
    return SchemaTemplate.objects.using(OWNER).defer("migrations").get(name=TEMPLATE_SCHEMA)


def _lock(connection: PsycopgConnection, number: int) -> None:
    """Until the transaction ends, no other process does the same."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def _begin(target: int) -> None:
    """Rows and roles for what is missing, all in one transaction and one GRANT."""
    with owner_transaction() as connection:
        _lock(connection, _RESERVING)
        rows = _rows().filter(reserved_for=None)
        there = _usable(rows).count() + rows.filter(made_at=None).count()
        names = [new_schema_name() for _ in range(target - there)]
        _rows().bulk_create([ReadySchema(name=name) for name in names])
        create_roles(connection, names)


def _make_next() -> bool:
    """Make the next schema that was begun. False where there is none."""
    with owner_transaction() as connection:
        ready = (
            _rows().select_for_update(skip_locked=True).filter(made_at=None, reserved_for=None)
        ).first()
        if ready is None:
            return False
        _make(connection, ready)
    return True


def _make(connection: PsycopgConnection, ready: ReadySchema) -> None:
    release = _release()
    create_schema(connection, ready.name, release.statements)
    made = describe_schema(connection, ready.name)
    if made.fingerprint != release.fingerprint or made.migrations_hash != release.migrations_hash:
        raise SchemaDiffers(differences_from_template(connection, made))
    ready.fingerprint = made.fingerprint
    ready.migrations_hash = made.migrations_hash
    ready.made_at = timezone.now()
    ready.save(using=OWNER, update_fields=["fingerprint", "migrations_hash", "made_at"])


def _discard(choose: Callable[[QuerySet[ReadySchema]], QuerySet[ReadySchema]]) -> int:
    dropped = 0
    while _discard_next(choose):
        dropped += 1
    return dropped


def _discard_next(choose: Callable[[QuerySet[ReadySchema]], QuerySet[ReadySchema]]) -> bool:
    with owner_transaction() as connection:
        ready = choose(_rows()).select_for_update(skip_locked=True, of=("self",)).first()
        if ready is None:
            return False
        name = ready.name
        if Tenant.objects.using(OWNER).filter(schema_name=name).exists():
            raise RuntimeError(f"{name} is in the pool and is a tenant's. It is not dropped.")
        ready.delete(using=OWNER)
        drop_schema(connection, name)
    logger.info("Dropped the ready schema %s", name)
    return True
