"""The end of a tenant: everything of it goes, step by step, and a certificate stays.

From the first step on the tenant is erased for everybody who asks: nobody is served, no task runs,
and PostgreSQL lets nobody but the owner into the schema. What follows can be killed at any point
and is gone on with by `continue_erasures`: each step is safe to repeat, and one that is done is a
row (ErasureStep). Of two processes at the same erasure one works: a session lock of PostgreSQL tells,
which ends with its process.

The tables go in small transactions. A DROP of a whole schema locks every table, index and sequence
at once, and PostgreSQL's table of locks is shared by all (max_locks_per_transaction, section 19.12).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from psycopg.errors import LockNotAvailable
from psycopg.rows import dict_row

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.domains.names import hostname_of
from shared_apps.tenants import cache, context, storage
from shared_apps.tenants.archive.undo import drop_kept_copies
from shared_apps.tenants.errors import TenancyError, TenantNotActive
from shared_apps.tenants.lifecycle.certificates import Certificate, ErasedTable
from shared_apps.tenants.lifecycle.states import enter_state
from shared_apps.tenants.models import (
    Backup,
    Cloning,
    Erasure,
    ErasureStep,
    Provisioning,
    Status,
    Tenant,
)
from shared_apps.tenants.postgresql.catalogue import PsycopgConnection
from shared_apps.tenants.postgresql.template_ddl import quoted
from shared_apps.tenants.registry import erasers
from shared_apps.tenants.schemas import (
    OWNER,
    close_schema,
    drop_role,
    owner_database,
    owner_transaction,
    wait_for_writers,
)

logger = logging.getLogger(__name__)

# What one transaction may lock, as PostgreSQL counts for each (its default); one table at least.
LOCKS_A_TRANSACTION: Final = 64
_PATIENCE: Final = timedelta(seconds=10)
# The upper half of the session lock's number; the tenant's id is the lower.
_ERASING: Final = 0x7465726500000000
_BY_TIMETABLE: Final = "timetable of erasures"


class NotDueYet(TenancyError):
    """The tenant may not be erased now: it is in use, or its day has not come."""


class ErasureUnderWay(TenancyError):
    """Another process is at work on this erasure."""


class ErasureBlocked(TenancyError):
    """Something stands in the way that an operator has to look at. What was done stays done."""


class ErasureIncomplete(TenancyError):
    """Something of the tenant was still there at the end. It is removed when the erasure goes on."""


# The tables of a schema, what dropping each of them locks, and how many refer to it. Everything is
# looked up by pg_depend: neither pg_class has an index by schema nor pg_constraint by what it
# refers to.
_TABLES: Final = """
    WITH own AS (
        SELECT c.oid, c.relname, c.reltoastrelid
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_depend d
          ON d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid
         AND d.classid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class c ON c.oid = d.objid
        WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')
    )
    SELECT own.relname AS name, own.oid::bigint AS oid,
           (SELECT count(*) FROM pg_index i WHERE i.indrelid = own.oid) AS indexes,
           (SELECT count(*) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid
             WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid
               AND d.classid = 'pg_class'::regclass AND s.relkind = 'S') AS sequences,
           CASE WHEN own.reltoastrelid <> 0 THEN 2 ELSE 0 END AS toast,
           (SELECT count(*) FROM pg_constraint f
             WHERE f.conrelid = own.oid AND f.contype = 'f' AND f.confrelid <> own.oid) AS refers_to,
           (SELECT count(DISTINCT f.oid) FROM pg_depend d JOIN pg_constraint f ON f.oid = d.objid
             WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid
               AND d.classid = 'pg_constraint'::regclass
               AND f.contype = 'f' AND f.confrelid = own.oid AND f.conrelid <> own.oid)
             AS referred_by
    FROM own
    ORDER BY referred_by, name
"""

# Views and foreign keys of other schemas that DROP … CASCADE would take along.
_DEPENDENTS_ELSEWHERE: Final = """
    SELECT DISTINCT t.oid::regclass::text
    FROM pg_depend d
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    JOIN pg_class t ON t.oid = coalesce(r.ev_class, k.conrelid)
    JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%(tables)s::oid[])
      AND n.nspname <> %(schema)s
    ORDER BY 1
"""


def erase_tenant(*, tenant: Tenant, reason: str, by: str, force: bool = False) -> Erasure:
    """Remove everything of a tenant for ever, and write down what that was (certificate_of).

    Safe to repeat: an erasure that was begun is gone on with, a finished one is given back.

    Args:
        reason: for the record; of a scheduled erasure the one it was scheduled with stays.
        by: an operator's e-mail address, or the name of the process.
        force: erase it in whatever state it is, and before its day.
    Raises:
        NotDueYet: it is neither archived nor scheduled for a day that has come; use force.
        ErasureUnderWay: another process is at work on it.
        ErasureBlocked: another session holds a lock, or something outside hangs on its tables.
        ErasureIncomplete: something came back meanwhile; call it again.
        OwnerConnectionMissing: this process may not drop schemas.
        ValueError: the reason is empty.
    Runs in: the public schema and the tenant's, as the owner; not inside a transaction.
    """
    if not reason.strip():
        raise ValueError("Say why: a reason is needed to erase a tenant.")
    with context.run_in_public(), _alone(tenant):
        return _work(_begin(tenant, reason=reason.strip(), by=by, force=force))


def continue_erasures() -> int:
    """Erase the tenants whose day has come, and go on with what a killed process left.

    One that fails does not stop the others; its row says why. Returns how many were finished.

    Runs in: the public schema and the tenants', as the owner; not inside a transaction.
    """
    finished = 0
    with context.run_in_public():
        open_ones = Erasure.objects.filter(cancelled_at=None, finished_at=None)
        due = open_ones.filter(due_at__lte=timezone.now()) | open_ones.exclude(began_at=None)
        for erasure in list(due.select_related("tenant").order_by("due_at")):
            try:
                erase_tenant(
                    tenant=erasure.tenant, reason=erasure.reason, by=_BY_TIMETABLE, force=False
                )
            except ErasureUnderWay:
                logger.info("Another process is at work on the %s", erasure)
            except Exception:
                logger.exception("%s did not go on", erasure)
            else:
                finished += 1
    return finished


# --- Begin -----------------------------------------------------------------------------------------


@contextmanager
def _alone(tenant: Tenant) -> Iterator[None]:
    database = owner_database()
    number = _ERASING + tenant.pk
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise ErasureUnderWay(f"Another process is erasing {tenant.name} now. Wait for it.")
    try:
        yield
    finally:
        # A connection that was lost has taken the lock with it.
        if database.connection is not None and database.is_usable():
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


def _begin(tenant: Tenant, *, reason: str, by: str, force: bool) -> Erasure:
    """From the commit of this on the tenant is erased, whatever is still there."""
    with owner_transaction() as connection:
        locked: Tenant = Tenant.objects.using(OWNER).select_for_update().get(pk=tenant.pk)
        erasure = Erasure.objects.using(OWNER).filter(tenant=locked, cancelled_at=None).first()
        if locked.status == Status.ERASED:
            if erasure is None:
                raise TenantNotActive(f"{locked.name} was erased without a record.")
            return erasure
        now = timezone.now()
        may = locked.status == Status.ARCHIVED or (
            locked.status == Status.ERASURE_SCHEDULED
            and erasure is not None
            and erasure.is_due(now)
        )
        if not (may or force):
            when = f" until {erasure.due_at:%Y-%m-%d %H:%M} UTC" if erasure else ""
            raise NotDueYet(
                f"{locked.name} is {locked.get_status_display().lower()}{when}. Archive it first, or "
                "schedule its erasure and wait for the day; an operator may force it."
            )
        if erasure is None:
            erasure = Erasure(tenant=locked, reason=reason, by=by, due_at=now)
        erasure.began_at = now
        erasure.save(using=OWNER)
        enter_state(locked=locked, after=Status.ERASED, reason=reason, by=by, using=OWNER)
        close_schema(connection, locked.schema_name)
    return erasure


# --- The steps -------------------------------------------------------------------------------------


def _work(erasure: Erasure) -> Erasure:
    erasure = Erasure.objects.select_related("tenant").get(pk=erasure.pk)
    if erasure.finished_at is not None:
        return erasure
    try:
        for place, (name, do) in enumerate(_STEPS.items()):
            if not erasure.steps.filter(name=name).exists():
                result = do(erasure.tenant)
                ErasureStep.objects.create(erasure=erasure, name=name, place=place, result=result)
        _require_nothing_left(erasure)
    except Exception as error:
        Erasure.objects.filter(pk=erasure.pk).update(error=f"{type(error).__name__}: {error}")
        raise
    return _certify(erasure)


def _count(tenant: Tenant) -> dict[str, Any]:
    """What there is, when nobody can write any more."""
    name = tenant.schema_name
    with owner_transaction() as connection:
        if not wait_for_writers(connection, name, timeout=_PATIENCE):
            raise ErasureBlocked(
                f"A transaction that writes into {name} is still open. It goes on when that ends."
            )
    with owner_transaction() as connection:
        tables = _tables(connection, name)
        _require_no_dependents(connection, name, tables)
        relations = _count_relations(connection, name)
    counted = []
    for table in tables:
        # One transaction each: counting locks a table's indexes too.
        with owner_transaction() as connection:
            counted.append(_measure(connection, name, table.name))
    media = storage.measure_folder(tenant.uuid)
    return {
        "tables": counted,
        "relations": relations,
        "media_files": media.files,
        "media_bytes": media.bytes,
        "redis_keys": cache.count_keys(tenant.uuid),
        "queued_tasks": _of_broker("count_lane", tenant),
    }


def _drop_tables(tenant: Tenant) -> dict[str, Any]:
    transactions = most_locks = 0
    while locks := _drop_next_tables(tenant.schema_name):
        transactions += 1
        most_locks = max(most_locks, locks)
    return {"transactions": transactions, "most_locks": most_locks}


def _drop_next_tables(name: str) -> int:
    """Drop as many tables as one transaction should. Returns how many locks that took, 0 at the end."""
    try:
        with owner_transaction() as connection:
            _limit_waiting(connection)
            batch: list[str] = []
            weight = 0
            for table in _tables(connection, name):
                weight += table.locks
                if batch and weight > LOCKS_A_TRANSACTION:
                    break
                batch.append(f"{quoted(name)}.{quoted(table.name)}")
            if not batch:
                return 0
            connection.execute(f"DROP TABLE {', '.join(batch)} CASCADE".encode())
            row = connection.execute(
                "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
                " AND mode = 'AccessExclusiveLock'"
            ).fetchone()
            return int(row[0]) if row else 1
    except LockNotAvailable as error:
        raise ErasureBlocked(
            f"Another session holds a lock on a table of {name}. It goes on when that ends."
        ) from error


def _drop_schema(tenant: Tenant) -> dict[str, Any]:
    """With what is no table: free sequences, and what somebody has put there by hand."""
    try:
        with owner_transaction() as connection:
            _limit_waiting(connection)
            name = quoted(tenant.schema_name)
            connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())
    except LockNotAvailable as error:
        raise ErasureBlocked(f"Another session holds a lock on {tenant.schema_name}.") from error
    return {}


def _drop_role(tenant: Tenant) -> dict[str, Any]:
    with owner_transaction() as connection:
        drop_role(connection, tenant.schema_name)
    return {}


def _drop_copies(tenant: Tenant) -> dict[str, Any]:
    """What an undo has kept of it, and a backup that is shown beside it."""
    return {"schemas": drop_kept_copies(tenant=tenant)}


def _empty_lane(tenant: Tenant) -> dict[str, Any]:
    return {"messages": _of_broker("forget_lane", tenant)}


def _remove_keys(tenant: Tenant) -> dict[str, Any]:
    removed = cache.remove_keys(tenant.uuid)
    hosts = Domain.objects.filter(tenant=tenant).values_list("domain", flat=True)
    return {"keys": removed, "hosts": resolution.forget_in_redis(list(hosts))}


def _remove_files(tenant: Tenant) -> dict[str, Any]:
    storage.remove_folder(tenant.uuid)
    return {}


def _forget_in_public(tenant: Tenant) -> dict[str, Any]:
    """Rows of the platform's own tables. The names stay, so that nobody else ever gets them."""
    base = hostname_of("")
    with transaction.atomic(durable=True):
        rows: dict[str, int] = {}
        for _, erase in sorted(erasers().items()):
            rows.update(erase(tenant.ref))
        domains = Domain.objects.filter(tenant=tenant)
        own = domains.exclude(domain__endswith=base)
        deleted = sorted(own.values_list("domain", flat=True))
        own.delete()
        Provisioning.objects.filter(tenant=tenant).update(
            owner_email="", owner_full_name="", owner_password_hash=""
        )
        Cloning.objects.filter(tenant=tenant).update(owner_email="", owner_full_name="")
        kept = sorted(domains.values_list("domain", flat=True))
    return {"rows": rows, "names_kept": kept, "domains_deleted": deleted}


_STEPS: Final[Mapping[str, Callable[[Tenant], dict[str, Any]]]] = MappingProxyType(
    {
        "count": _count,
        "tables": _drop_tables,
        "schema": _drop_schema,
        "role": _drop_role,
        "copies": _drop_copies,
        "tasks": _empty_lane,
        "keys": _remove_keys,
        "files": _remove_files,
        "public": _forget_in_public,
    }
)


# --- The end ---------------------------------------------------------------------------------------


def _require_nothing_left(erasure: Erasure) -> None:
    """Look for everything once more; what is there again is removed when the erasure goes on."""
    left = [name for name, is_left in _left_of(erasure.tenant).items() if is_left]
    if left:
        erasure.steps.filter(name__in=left).delete()
        raise ErasureIncomplete(
            f"Of {erasure.tenant.name} there is still something among: {', '.join(left)}. "
            "Go on with the erasure."
        )


def _left_of(tenant: Tenant) -> dict[str, bool]:
    with owner_transaction() as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(name)s),"
            " EXISTS (SELECT FROM pg_roles WHERE rolname = %(name)s)",
            {"name": tenant.schema_name},
        ).fetchone()
    schema, role = row or (True, True)
    return {
        "schema": schema,
        "role": role,
        "tasks": _of_broker("count_lane", tenant) > 0,
        "keys": cache.count_keys(tenant.uuid) > 0,
        "files": storage.media_folder(tenant.uuid).exists(),
    }


def _certify(erasure: Erasure) -> Erasure:
    tenant = erasure.tenant
    results: dict[str, Any] = dict(erasure.steps.values_list("name", "result"))
    counted, public = results["count"], results["public"]
    finished = timezone.now()
    # The nightly ones have rows; of others, an operator's own, the same number of days is promised.
    last = Backup.objects.kept().filter(tenant=tenant).aggregate(last=Max("expires_at"))["last"]
    expire = last or finished + timedelta(days=settings.TERRACE_BACKUP_RETENTION_DAYS)
    certificate = Certificate(
        tenant_uuid=str(tenant.uuid),
        tenant_name=tenant.name,
        subdomain=tenant.subdomain,
        schema_name=tenant.schema_name,
        reason=erasure.reason,
        by=erasure.by,
        began_at=(erasure.began_at or finished).isoformat(),
        finished_at=finished.isoformat(),
        tables=[ErasedTable(**table) for table in counted["tables"]],
        relations=counted["relations"],
        database_bytes=sum(table["bytes"] for table in counted["tables"]),
        media_files=counted["media_files"],
        media_bytes=counted["media_bytes"],
        redis_keys=counted["redis_keys"],
        queued_tasks=counted["queued_tasks"],
        public_rows=public["rows"],
        names_kept=public["names_kept"],
        domains_deleted=public["domains_deleted"],
        backups_expire_at=expire.isoformat(),
        copies_dropped=results["copies"]["schemas"],
    )
    erasure.certificate = certificate.as_json()
    erasure.finished_at = finished
    erasure.error = ""
    erasure.save(update_fields=["certificate", "finished_at", "error"])
    logger.info("Erased %s", tenant.schema_name)
    return erasure


# --- PostgreSQL and the broker ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    oid: int
    locks: int


def _tables(connection: PsycopgConnection, name: str) -> list[_Table]:
    """The schema's tables, those first that no other refers to."""
    cursor = connection.cursor(row_factory=dict_row)
    return [
        _Table(
            name=row["name"],
            oid=row["oid"],
            locks=1
            + row["indexes"]
            + row["sequences"]
            + row["toast"]
            + row["refers_to"]
            + row["referred_by"],
        )
        for row in cursor.execute(_TABLES, {"schema": name})
    ]


def _count_relations(connection: PsycopgConnection, name: str) -> int:
    """Tables, indexes, sequences, views: all that stands in pg_class for the schema, without TOAST."""
    row = connection.execute(
        """
        WITH own AS (
            SELECT d.objid AS oid FROM pg_namespace n JOIN pg_depend d
              ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid
             AND d.classid = 'pg_class'::regclass
            WHERE n.nspname = %s
        )
        SELECT (SELECT count(*) FROM own)
             + (SELECT count(*) FROM pg_index i JOIN own ON own.oid = i.indrelid)
        """,
        [name],
    ).fetchone()
    return int(row[0]) if row else 0


def _measure(connection: PsycopgConnection, schema: str, table: str) -> dict[str, Any]:
    qualified = f"{quoted(schema)}.{quoted(table)}"
    row = connection.execute(
        f"SELECT count(*), pg_total_relation_size(%s::regclass) FROM {qualified}".encode(),  # noqa: S608 - quoted
        [qualified],
    ).fetchone()
    rows, size = row or (0, 0)
    return {"name": table, "rows": rows, "bytes": size}


def _require_no_dependents(connection: PsycopgConnection, name: str, tables: list[_Table]) -> None:
    found = connection.execute(
        _DEPENDENTS_ELSEWHERE, {"tables": [table.oid for table in tables], "schema": name}
    ).fetchall()
    if found:
        names = ", ".join(dependent for (dependent,) in found)
        raise ErasureBlocked(
            f"Outside of {name} something hangs on its tables: {names}. Drop that first."
        )


def _limit_waiting(connection: PsycopgConnection) -> None:
    milliseconds = _PATIENCE // timedelta(milliseconds=1)
    connection.execute(f"SET LOCAL lock_timeout = {milliseconds}".encode())


def _of_broker(question: str, tenant: Tenant) -> int:
    """Ask the fair queue's channel. Celery's own queue has no lanes: there a message of an erased
    tenant is refused when its turn comes."""
    with current_app.connection_for_write() as broker:
        ask = getattr(broker.default_channel, question, None)
        return int(ask(tenant.uuid.hex)) if ask is not None else 0
