"""Yesterday back: a backup beside its tenant as a preview, what differs, and the swap of both.

The swap is one transaction of the owner's. It waits until nobody writes to the old schema (SHARE
locks on its tables, for less than a second), takes the write grants from its role, and lets the
tenant's row point to the restored schema. So of the processes that still know the old schema (for
TERRACE_HOST_CACHE_SECONDS and TERRACE_TENANT_CACHE_SECONDS at most)

* a write that had begun is finished before the swap, in the old schema;
* a write that comes later is refused by PostgreSQL ("permission denied for table …") and rolled
  back as a whole: it never lands where nobody looks;
* a read sees the old schema as it was at the swap.

The old schema is kept for TERRACE_UNDO_KEEP_DAYS, and can be swapped back in the same way.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, OperationalError
from django.utils import timezone
from psycopg import sql
from psycopg.rows import tuple_row

from shared_apps.domains import resolution
from shared_apps.domains.addresses import tenant_url
from shared_apps.domains.models import Domain
from shared_apps.domains.names import MAX_LENGTH, PREVIEW_ENDING, hostname_of
from shared_apps.tenants import context, handoff, stored_files
from shared_apps.tenants.archive import importing, preview_passes
from shared_apps.tenants.archive.backups import check_backup, newest_backup
from shared_apps.tenants.archive.errors import (
    NothingToUndo,
    PreviewClosed,
    PreviewOpenAlready,
    TenantBusy,
)
from shared_apps.tenants.archive.manifest import TenantFacts
from shared_apps.tenants.archive.writing import OnProgress
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import (
    ArchiveImport,
    Backup,
    Preview,
    RestorePurpose,
    Status,
    StatusChange,
    Tenant,
    UndoneSchema,
)
from shared_apps.tenants.postgresql.catalogue import (
    MIGRATIONS_TABLE,
    Catalogue,
    PsycopgConnection,
    Table,
    read_catalogue,
    table_names,
)
from shared_apps.tenants.postgresql.template_ddl import quoted
from shared_apps.tenants.schemas import OWNER, drop_schema, grant_rows, owner_transaction
from shared_apps.tenants.tasks.admission import forget_tenants

logger = logging.getLogger(__name__)

# Not read-only: there the role's write grants are the lifecycle's, and a swap would bring them back.
_UNDOABLE: Final = frozenset({Status.TRIAL, Status.ACTIVE, Status.MAINTENANCE})
# While the swap waits for its locks, new writers of this tenant wait behind it. The later attempts
# outwait deadlock_timeout (1 s), after which PostgreSQL ends an autovacuum that is in the way.
_LOCK_TIMEOUTS: Final = (*("500ms",) * 4, *("2s",) * 8)
_PAUSE_SECONDS: Final = 0.25
_STILL_LOCKED: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
# Who was logged in stays so: rows of this table go along.
_SESSIONS: Final = "django_session"
# Types without an equality of their own.
_WITHOUT_EQUALITY: Final = frozenset({"json", "xml", "point", "polygon", "path"})


@dataclass(frozen=True, slots=True)
class TableDifference:
    """What was done to a table since the backup: rows that came, that changed, that went.

    After a swap those that came are gone, those that changed are as they were, those that went are
    back.
    """

    table: str
    added: int
    changed: int
    removed: int

    @property
    def is_different(self) -> bool:
        """Whether a swap changes anything here."""
        return bool(self.added or self.changed or self.removed)


def open_preview(
    *, tenant: Tenant, by: str, backup: Backup | None = None, on_progress: OnProgress | None = None
) -> Preview:
    """Restore a backup beside its tenant, at a host that only its owners and operators can open.

    Nothing of the tenant is touched. The preview is closed after TERRACE_PREVIEW_HOURS.

    Args:
        backup: the newest one where none is given.
        by: an owner's or operator's e-mail address.
    Raises:
        BackupNotFound: there is none, or it is not kept any more.
        PreviewOpenAlready: the tenant has one; close it first.
        TenantNotActive: the tenant is in a state that can't be undone, e.g. suspended.
        ValueError: the backup is another tenant's.
        whatever check_archive says of the backup's file, SchemaDiffers, OwnerConnectionMissing.
    Runs in: the public schema and a new one, as the owner; not inside a transaction.
    """
    with context.run_in_public():
        _require_undoable(tenant)
        backup = backup or newest_backup(tenant=tenant)
        if backup.tenant_id != tenant.pk:
            raise ValueError("This backup belongs to another tenant.")
        if Preview.objects.filter(tenant=tenant, swapped_at=None, closed_at=None).exists():
            raise PreviewOpenAlready(
                f"{tenant.subdomain} has a preview already. Close it, or swap it in."
            )
        with check_backup(backup) as archive:
            row = importing.begin_restore(
                ArchiveImport(
                    purpose=RestorePurpose.PREVIEW,
                    source=backup.store_key,
                    archive_sha256=archive.sha256,
                    subdomain=preview_subdomain(tenant),
                    name=tenant.name,
                    tenant_uuid=uuid7(),
                    tenant=tenant,
                    by=by,
                )
            )
            shows_time = datetime.fromisoformat(archive.manifest.made_at)

            def opening(row: ArchiveImport, facts: TenantFacts) -> Tenant:
                return _show(row, tenant, backup, shows_time)

            importing.work_on(row, archive, opening=opening, on_progress=on_progress)
        resolution.bump_version()
        preview = Preview.objects.get(tenant=tenant, swapped_at=None, closed_at=None)
        preview.differences = [
            asdict(found) for found in diff_by_table(preview=preview) if found.is_different
        ]
        preview.save(update_fields=["differences"])
    return preview


def preview_subdomain(tenant: Tenant) -> str:
    """Where a tenant's preview lives. No customer can have such a name."""
    return tenant.subdomain[: MAX_LENGTH - len(PREVIEW_ENDING)] + PREVIEW_ENDING


def preview_link(*, preview: Preview, user_id: UUID | int | str | None = None) -> str:
    """An address that opens the preview, for 15 minutes. For the tenant's owners and operators alone.

    Args:
        user_id: who is to be logged in there: the person's key in the tenant. Somebody who was not
            there yet when the backup was made looks on as a visitor.
    Raises:
        PreviewClosed: it is swapped, closed or has expired.
    Runs in: the public schema, whatever is set.
    """
    shown_as = _shown_as(preview)
    preview_pass = preview_passes.issue_pass(shown_as)
    if user_id is None:
        return tenant_url(shown_as.hostname, f"/?{preview_passes.PARAMETER}={preview_pass}")
    token = handoff.issue_hand_off(shown_as, user_id)
    return tenant_url(
        shown_as.hostname,
        f"/welcome/?token={token}&{preview_passes.PARAMETER}={preview_pass}",
    )


def diff_by_table(*, preview: Preview) -> list[TableDifference]:
    """What was done in each table since the backup, by primary key. Compared inside PostgreSQL.

    Raises:
        PreviewClosed: it is swapped, closed or has expired.
    Runs in: both schemas, as the owner, in one snapshot.
    """
    shown_as = _shown_as(preview)
    left_out = {MIGRATIONS_TABLE, *settings.TERRACE_ARCHIVE_LEAVES_OUT}
    with context.run_in_public(), owner_transaction() as connection:
        connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(b"SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'")
        now_name = Tenant.objects.using(OWNER).get(pk=preview.tenant_id).schema_name
        now = read_catalogue(connection, now_name)
        then = {table.name: table for table in _tables(connection, shown_as.schema_name)}
        return [
            _difference(connection, now_name, shown_as.schema_name, table, then[table.name])
            for table in now.tables
            if table.name in then and table.name not in left_out
        ]


def swap_preview(*, preview: Preview, by: str, reason: str) -> UndoneSchema:
    """Let the tenant have the previewed schema, and keep its own for some days.

    One transaction; the locks in it are held for milliseconds. Files that the restored rows name and
    the tenant has no more are put back before it.

    Args:
        reason: for the tenant's history.
        by: an owner's or operator's e-mail address.
    Raises:
        PreviewClosed: it is swapped, closed or has expired.
        TenantNotActive: the tenant is in a state that can't be undone.
        TenantBusy: its writes did not pause; nothing was changed. Try again, or in maintenance.
        ValueError: the reason is empty.
    Runs in: the public schema and both, as the owner; not inside a transaction.
    """
    _require_reason(reason)
    shown_as = _shown_as(preview)
    with context.run_in_public():
        tenant = Tenant.objects.get(pk=preview.tenant_id)
        _require_undoable(tenant)
        importing.bring_to_release(shown_as.schema_name)
        _put_files_back(shown_as, tenant.ref)
        undone = _exchange(tenant, shown_as.schema_name, by=by, reason=reason, preview=preview)
        importing.remove_files(shown_as)
    return undone


def undo_swap(*, undone: UndoneSchema, by: str, reason: str) -> UndoneSchema:
    """Undo an undo: the tenant gets the schema back that was swapped away.

    Returns:
        The row of the schema that is swapped away now.
    Raises:
        NothingToUndo: it is back already, or was dropped after its days.
        TenantNotActive, TenantBusy, ValueError: as swap_preview.
    Runs in: as swap_preview.
    """
    _require_reason(reason)
    with context.run_in_public():
        undone.refresh_from_db()
        if undone.brought_back_at or undone.dropped_at:
            raise NothingToUndo("This schema is back already, or was dropped after its days.")
        tenant = Tenant.objects.get(pk=undone.tenant_id)
        _require_undoable(tenant)
        importing.bring_to_release(undone.schema_name)
        return _exchange(tenant, undone.schema_name, by=by, reason=reason, brought_back=undone)


def close_preview(*, preview: Preview) -> None:
    """Take a preview away: host, row, schema, role, files. Safe to repeat.

    Runs in: the public schema, as the owner.
    """
    with context.run_in_public():
        shown_as = Tenant.objects.filter(preview_of=preview).first()
        ref = shown_as.ref if shown_as else None
        with owner_transaction() as connection:
            there = Preview.objects.using(OWNER).select_for_update().get(pk=preview.pk)
            if there.swapped_at or there.closed_at:
                return
            there.closed_at = timezone.now()
            there.save(using=OWNER, update_fields=["closed_at"])
            if ref is not None:
                _take_down(ref.id)
                drop_schema(connection, ref.schema_name)
        if ref is not None:
            resolution.bump_version()
            importing.remove_files(ref)


def sweep_undone(*, now: datetime | None = None) -> int:
    """Close previews that have expired, and drop schemas that were kept for their days.

    Returns:
        How many schemas were dropped.
    Runs in: the public schema, as the owner; one transaction for each.
    """
    now = now or timezone.now()
    dropped = 0
    with context.run_in_public():
        over = Preview.objects.filter(swapped_at=None, closed_at=None, expires_at__lte=now)
        for preview in list(over):
            close_preview(preview=preview)
            dropped += 1
        kept = UndoneSchema.objects.filter(brought_back_at=None, dropped_at=None)
        for row in list(kept.filter(drop_after__lte=now)):
            dropped += _drop_undone(row)
    return dropped


def drop_kept_copies(*, tenant: Tenant) -> int:
    """Close this tenant's preview and drop the schemas that its undos have kept, whatever their day.

    Returns:
        How many schemas were dropped. Safe to repeat.
    Runs in: the public schema, as the owner; one transaction for each.
    """
    dropped = 0
    with context.run_in_public():
        for preview in list(Preview.objects.filter(tenant=tenant, swapped_at=None, closed_at=None)):
            close_preview(preview=preview)
            dropped += 1
        kept = UndoneSchema.objects.filter(tenant=tenant, brought_back_at=None, dropped_at=None)
        for row in list(kept):
            dropped += _drop_undone(row)
    return dropped


# --- Preview ---------------------------------------------------------------------------------------


def _show(row: ArchiveImport, tenant: Tenant, backup: Backup, shows_time: datetime) -> Tenant:
    """The preview's host and rows, in the transaction that ends the restore."""
    now = timezone.now()
    shown_as = Tenant(
        uuid=row.tenant_uuid,
        schema_name=row.schema_name,
        name=f"{tenant.name} (preview)"[:100],
        subdomain=row.subdomain,
        status=Status.PREVIEW,
    )
    try:
        shown_as.save(using=OWNER, force_insert=True)
        Domain.objects.using(OWNER).bulk_create(
            [
                Domain(
                    tenant=shown_as,
                    domain=hostname_of(row.subdomain),
                    is_primary=True,
                    verified_at=now,
                )
            ]
        )
        Preview.objects.using(OWNER).create(
            tenant_id=tenant.pk,
            backup_id=backup.pk,
            shown_as_id=shown_as.pk,
            shows_time=shows_time,
            opened_by=row.by,
            expires_at=now + timedelta(hours=settings.TERRACE_PREVIEW_HOURS),
        )
    except IntegrityError as error:
        raise PreviewOpenAlready(
            f"{tenant.subdomain} has a preview already. Close it, or swap it in."
        ) from error
    return shown_as


def _shown_as(preview: Preview) -> TenantRef:
    with context.run_in_public():
        there = Preview.objects.select_related("shown_as").get(pk=preview.pk)
        if not there.is_open(timezone.now()) or there.shown_as is None:
            raise PreviewClosed("This preview was swapped in, closed, or has expired.")
        ref: TenantRef = there.shown_as.ref
    return ref


def _take_down(tenant_id: int) -> None:
    """The rows that show a preview. It never was a customer, so its row goes."""
    Domain.objects.using(OWNER).filter(tenant_id=tenant_id).delete()
    Tenant.objects.using(OWNER).filter(pk=tenant_id).delete()


# --- Difference ------------------------------------------------------------------------------------


def _tables(connection: PsycopgConnection, schema_name: str) -> Iterator[Table]:
    catalogue: Catalogue = read_catalogue(connection, schema_name)
    yield from catalogue.tables


def _difference(
    connection: PsycopgConnection, now_name: str, then_name: str, now: Table, then: Table
) -> TableDifference:
    keys = _key_columns(connection, now_name, now.name)
    types = {column.name: column.type for column in now.columns}
    others = [c.name for c in then.columns if c.name in types and c.name not in keys]
    differs = sql.SQL(" OR ").join(
        sql.SQL("now.{0}{1} IS DISTINCT FROM once.{0}{1}").format(
            sql.Identifier(name),
            sql.SQL("::text" if types[name] in _WITHOUT_EQUALITY else ""),
        )
        for name in others
    )
    query = sql.SQL(
        "SELECT count(*) FILTER (WHERE once.{key} IS NULL),"
        " count(*) FILTER (WHERE now.{key} IS NOT NULL AND once.{key} IS NOT NULL AND ({differs})),"
        " count(*) FILTER (WHERE now.{key} IS NULL)"
        " FROM {now} AS now FULL JOIN {once} AS once ON {matches}"
    ).format(
        key=sql.Identifier(keys[0]),
        differs=differs if others else sql.SQL("false"),
        now=sql.Identifier(now_name, now.name),
        once=sql.Identifier(then_name, then.name),
        matches=sql.SQL(" AND ").join(
            sql.SQL("now.{0} = once.{0}").format(sql.Identifier(name)) for name in keys
        ),
    )
    row = connection.cursor(row_factory=tuple_row).execute(query).fetchone()
    added, changed, removed = row or (0, 0, 0)
    return TableDifference(now.name, added=added, changed=changed, removed=removed)


def _key_columns(connection: PsycopgConnection, schema_name: str, table: str) -> list[str]:
    found = connection.cursor(row_factory=tuple_row).execute(
        "SELECT a.attname FROM pg_index i"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY a.attnum",
        [sql.Identifier(schema_name, table).as_string(None)],
    )
    return [name for (name,) in found.fetchall()]


# --- Swap ------------------------------------------------------------------------------------------


def _exchange(
    tenant: Tenant,
    schema_name: str,
    *,
    by: str,
    reason: str,
    preview: Preview | None = None,
    brought_back: UndoneSchema | None = None,
) -> UndoneSchema:
    for lock_timeout in _LOCK_TIMEOUTS:
        try:
            with owner_transaction() as connection:
                connection.execute(f"SET LOCAL lock_timeout = '{lock_timeout}'".encode())
                undone = _exchange_now(
                    connection, tenant, schema_name, by=by, reason=reason,
                    preview=preview, brought_back=brought_back,
                )  # fmt: skip
        except (psycopg.OperationalError, OperationalError) as error:
            if not isinstance(error.__cause__ or error, _STILL_LOCKED):
                raise
            logger.info("%s is being written to; the swap is tried again", tenant)
            time.sleep(_PAUSE_SECONDS)
        else:
            _tell_everybody(tenant)
            return undone
    raise TenantBusy(
        f"{tenant.subdomain} is being written to without a pause, so nothing was swapped. Try "
        "again, or put it into maintenance first."
    )


def _exchange_now(
    connection: PsycopgConnection,
    tenant: Tenant,
    schema_name: str,
    *,
    by: str,
    reason: str,
    preview: Preview | None,
    brought_back: UndoneSchema | None,
) -> UndoneSchema:
    now = timezone.now()
    live: Tenant = Tenant.objects.using(OWNER).select_for_update().get(pk=tenant.pk)
    _require_undoable(live)
    old_name = live.schema_name
    names = _fence(connection, old_name)
    _carry_sessions(connection, old_name, schema_name, names)
    grant_rows(connection, schema_name)
    if preview is not None:
        _end_preview(preview, by, now)
    if brought_back is not None:
        _end_undone(brought_back, now)
    live.schema_name = schema_name
    live.save(using=OWNER, update_fields=["schema_name"])
    StatusChange.objects.using(OWNER).create(
        tenant=live,
        before=live.status,
        after=live.status,
        reason=f"{'Undo' if preview else 'Undo taken back'}: {reason.strip()}",
        by=by,
    )
    return UndoneSchema.objects.using(OWNER).create(
        tenant=live,
        schema_name=old_name,
        undone_at=now,
        undone_by=by,
        reason=reason.strip(),
        drop_after=now + timedelta(days=settings.TERRACE_UNDO_KEEP_DAYS),
    )


def _fence(connection: PsycopgConnection, schema_name: str) -> list[str]:
    """Wait until nobody writes there, and let nobody begin to. Returns the tables."""
    names = table_names(connection, schema_name)
    tables = sql.SQL(", ").join(sql.Identifier(schema_name, name) for name in names)
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(tables))
    if settings.TERRACE_TENANT_ROLES:
        role = sql.SQL(quoted(schema_name))
        revoke = sql.SQL("REVOKE INSERT, UPDATE, DELETE ON TABLE {} FROM {}")
        connection.execute(revoke.format(tables, role))
    return names


def _carry_sessions(
    connection: PsycopgConnection, old_name: str, new_name: str, names: list[str]
) -> None:
    if _SESSIONS in names:
        copy = sql.SQL("INSERT INTO {} SELECT * FROM {} ON CONFLICT DO NOTHING")
        connection.execute(
            copy.format(sql.Identifier(new_name, _SESSIONS), sql.Identifier(old_name, _SESSIONS))
        )


def _end_preview(preview: Preview, by: str, now: datetime) -> None:
    there = Preview.objects.using(OWNER).select_for_update().get(pk=preview.pk)
    if not there.is_open(now) or there.shown_as_id is None:
        raise PreviewClosed("This preview was swapped in, closed, or has expired.")
    _take_down(there.shown_as_id)
    there.swapped_at, there.swapped_by, there.shown_as = now, by, None
    there.save(using=OWNER, update_fields=["swapped_at", "swapped_by", "shown_as"])


def _end_undone(undone: UndoneSchema, now: datetime) -> None:
    there = UndoneSchema.objects.using(OWNER).select_for_update().get(pk=undone.pk)
    if there.brought_back_at or there.dropped_at:
        raise NothingToUndo("This schema is back already, or was dropped after its days.")
    there.brought_back_at = now
    there.save(using=OWNER, update_fields=["brought_back_at"])


def _tell_everybody(tenant: Tenant) -> None:
    """No process may go on with the schema that was, nor with what was cached of its rows."""
    resolution.bump_version()
    forget_tenants()
    with context.run_in(Tenant.objects.get(pk=tenant.pk)):
        cache.clear()


def _put_files_back(source: TenantRef, target: TenantRef) -> None:
    """What the backup has and the tenant has no more. Nothing that is there is replaced."""
    with context.run_in(source):
        names = list(stored_files.list_files([]))
    for name in names:
        with context.run_in(target):
            if stored_files.has_file(name):
                continue
        with context.run_in(source):
            file = stored_files.open_file(name)
        if file is not None:
            with file, context.run_in(target):
                stored_files.write_file(name, file)


def _drop_undone(row: UndoneSchema) -> int:
    with owner_transaction() as connection:
        there = UndoneSchema.objects.using(OWNER).select_for_update().get(pk=row.pk)
        if there.brought_back_at or there.dropped_at:
            return 0
        if Tenant.objects.using(OWNER).filter(schema_name=there.schema_name).exists():
            raise RuntimeError(f"{there.schema_name} is a tenant's. It is not dropped.")
        drop_schema(connection, there.schema_name)
        there.dropped_at = timezone.now()
        there.save(using=OWNER, update_fields=["dropped_at"])
    logger.info("Dropped %s, which was undone at %s", there.schema_name, there.undone_at)
    return 1


def _require_undoable(tenant: Tenant) -> None:
    if tenant.status not in _UNDOABLE:
        raise TenantNotActive(
            f"{tenant.name} is {tenant.get_status_display().lower()}; only a tenant that is served "
            "can be undone. Resume it first."
        )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ValueError("Say why: a reason is needed to undo.")
