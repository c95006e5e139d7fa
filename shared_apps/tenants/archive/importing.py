"""import_archive: from a file to a live tenant, or to nothing at all.

The row (ArchiveImport) comes first, each step commits with the row's next state, and nobody sees
the tenant before the last one, which is one transaction. What fails is undone at once. What was
killed is resumed with `resume_import`, or undone by the sweep. Previews and restore drills go the
same way as far as they need.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from psycopg.rows import tuple_row

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.domains.names import (
    HostnameTaken,
    check_subdomain,
    hostname_of,
    taken_sentence,
)
from shared_apps.tenants import context, migrating, stored_files
from shared_apps.tenants.archive.encryption import ArchiveKey
from shared_apps.tenants.archive.errors import (
    ArchiveDamaged,
    ImportNotFound,
    ImportNotResumable,
    RestoreDiffers,
)
from shared_apps.tenants.archive.manifest import TenantFacts
from shared_apps.tenants.archive.reading import CheckedArchive, check_archive
from shared_apps.tenants.archive.restoring import restore_files, restore_rows
from shared_apps.tenants.archive.writing import OnProgress
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import (
    ArchiveImport,
    RestorePurpose,
    RestoreState,
    Status,
    StatusChange,
    Tenant,
)
from shared_apps.tenants.postgresql.catalogue import describe_schema
from shared_apps.tenants.schemas import (
    OWNER,
    drop_schema,
    grant_rows,
    owner_transaction,
    require_owner_connection,
)
from shared_apps.tenants.template import differences_from_template, require_release

logger = logging.getLogger(__name__)

# Advisory locks: held while a process works on an import, and gone with it (PostgreSQL 18 section 13.3.5).
_WORKING: Final = 0x74657272_00000000
# What nobody has resumed by then is undone.
ABANDONED_AFTER: Final = timedelta(hours=24)
_ORDER: Final = list(RestoreState)
# A suspended tenant comes back suspended; whatever passes with time does not come back.
_STATUS_KEPT: Final = frozenset({Status.SUSPENDED, Status.ARCHIVED})

Opening = Callable[[ArchiveImport, TenantFacts], Tenant | None]
Verifying = Callable[[ArchiveImport], None]


def import_archive(
    *,
    source: Path | BinaryIO,
    by: str,
    subdomain: str = "",
    name: str = "",
    key: ArchiveKey | None = None,
    on_progress: OnProgress | None = None,
) -> Tenant:
    """Make a live tenant from an archive, under its own name or another, or nothing at all.

    Everything is checked first: the file to its last byte, the release, the name. Where the tenant
    of the archive is gone from here it gets its uuid back, with its history and its domains (to be
    verified again); beside a tenant that is still there, and under another name, the new one has an
    identity of its own, so no link, token or session of the first works in it. Sessions are in no
    archive. An archive of an older release is migrated to this one.

    Args:
        source: a path, or a stream.
        by: an operator's e-mail address, or the name of the process.
        subdomain, name: the archive's own where empty.
    Raises:
        whatever check_archive says of the file.
        SubdomainInvalid, SubdomainReserved, HostnameTaken: about the name. Nothing was written.
        RestoreDiffers, SchemaDiffers: what was restored is not what it should be; it is undone.
        OwnerConnectionMissing: this process has no DATABASE_ADMIN_URL.
    Runs in: the public schema and the new one, as the owner; not inside a transaction.
    """
    require_owner_connection()
    with context.run_in_public(), check_archive(source=source, key=key) as archive:
        facts = archive.manifest.tenant
        wanted = check_subdomain(subdomain or facts.subdomain)
        row = begin_restore(
            ArchiveImport(
                purpose=RestorePurpose.IMPORT,
                source=_name_of(source),
                archive_sha256=archive.sha256,
                subdomain=wanted,
                name=(name or facts.name)[:100],
                tenant_uuid=_identity(facts, wanted),
                by=by,
            )
        )
        tenant = work_on(
            row, archive, opening=_open_tenant, verifying=_require_release, on_progress=on_progress
        )
    return _announce(tenant)


def resume_import(
    *,
    import_id: UUID,
    source: Path | BinaryIO,
    key: ArchiveKey | None = None,
    on_progress: OnProgress | None = None,
) -> Tenant:
    """Go on with an import whose process was killed, from the step that was last committed.

    Raises:
        ImportNotFound: no import has this id.
        ImportNotResumable: it is done, undone, or another process works on it.
        ArchiveDamaged: this is not the file that the import began with.
        as import_archive otherwise.
    Runs in: as import_archive.
    """
    with context.run_in_public(), check_archive(source=source, key=key) as archive:
        row = _find(import_id)
        if row.purpose != RestorePurpose.IMPORT or row.is_finished:
            raise ImportNotResumable(
                f"This is a {row.get_purpose_display().lower()} and "
                f"{row.get_state_display().lower()}; there is nothing to go on with."
            )
        if archive.sha256 != row.archive_sha256:
            raise ArchiveDamaged(
                "This is not the archive that the import began with. Give the same file, or undo "
                "the import."
            )
        tenant = work_on(
            row, archive, opening=_open_tenant, verifying=_require_release, on_progress=on_progress
        )
    return _announce(tenant)


def undo_import(*, import_id: UUID, reason: str = "undone by hand") -> bool:
    """Take back what an unfinished import made: schema, role, files. Safe to repeat.

    Returns:
        Whether there was anything to undo. False too where a process works on it.
    Raises:
        ImportNotFound: no import has this id.
    Runs in: the public schema, as the owner.
    """
    with context.run_in_public():
        row = _find(import_id)
        with _working_on(row) as is_mine:
            if not is_mine:
                return False
            row.refresh_from_db()
            if row.is_finished:
                return False
            _undo(row, reason)
    return True


def sweep_restores(*, now: datetime | None = None) -> int:
    """Undo what a killed process left: drills and previews at once, imports after a day.

    Returns:
        How many were undone.
    Runs in: the public schema, as the owner.
    """
    now = now or timezone.now()
    with context.run_in_public():
        rows = list(
            ArchiveImport.objects.exclude(state__in=[RestoreState.DONE, RestoreState.UNDONE])
        )
    undone = 0
    for row in rows:
        is_old = row.started_at < now - ABANDONED_AFTER
        if is_old or row.purpose != RestorePurpose.IMPORT:
            undone += undo_import(import_id=row.id, reason="its process was killed")
    return undone


def begin_restore(row: ArchiveImport) -> ArchiveImport:
    """Write the row down, before anything is made. It keeps the name.

    Raises:
        HostnameTaken: another import under way has the name.
    """
    try:
        with transaction.atomic(durable=True):
            row.save(force_insert=True)
    except IntegrityError as error:
        raise HostnameTaken(taken_sentence(row.subdomain)) from error
    return row


def work_on(
    row: ArchiveImport,
    archive: CheckedArchive,
    *,
    opening: Opening,
    verifying: Verifying | None = None,
    on_progress: OnProgress | None = None,
) -> Tenant | None:
    """Do the steps that are not done. What fails, or is stopped with Ctrl-C, is undone.

    Args:
        opening: the last step, inside one transaction of the owner's: what makes it visible.
        verifying: a look at what was made, outside of any transaction, just before.
    Returns:
        What `opening` gave.
    """
    with _working_on(row) as is_mine:
        if not is_mine:
            raise ImportNotResumable("Another process works on this import. Wait for it.")
        row.refresh_from_db()
        try:
            return _steps(row, archive, opening, verifying, on_progress)
        except BaseException as error:
            logger.warning("%s is undone: %s: %s", row, type(error).__name__, error)
            _undo(row, f"{type(error).__name__}: {error}")
            raise


def ref_of(row: ArchiveImport) -> TenantRef:
    """The tenant to be, for its files: it has no row yet."""
    return TenantRef(
        id=0,
        uuid=row.tenant_uuid,
        schema_name=row.schema_name,
        name=row.name,
        subdomain=row.subdomain,
        hostname="",
        status=Status.PROVISIONING,
    )


def bring_to_release(schema_name: str) -> bool:
    """Migrate a restored schema to this release. The one place where that is done.

    Returns:
        Whether there was anything to do.
    """
    with owner_transaction() as connection:
        there = describe_schema(connection, schema_name)
    if there.migrations_hash == require_release().migrations_hash:
        return False
    moved = migrating.migrate_schema(schema_name, migrating.Target())
    if moved:
        with owner_transaction() as connection:
            grant_rows(connection, schema_name)
    return moved


def _steps(
    row: ArchiveImport,
    archive: CheckedArchive,
    opening: Opening,
    verifying: Verifying | None,
    on_progress: OnProgress | None,
) -> Tenant | None:
    if not _has_reached(row, RestoreState.LOADED):
        began = time.monotonic()
        with owner_transaction() as connection:
            restore_rows(
                connection, archive=archive, schema_name=row.schema_name, on_progress=on_progress
            )
            _note(row, RestoreState.LOADED, began)
    if not _has_reached(row, RestoreState.MIGRATED):
        began = time.monotonic()
        if row.purpose != RestorePurpose.DRILL:
            bring_to_release(row.schema_name)
        with owner_transaction():
            _note(row, RestoreState.MIGRATED, began)
    if not _has_reached(row, RestoreState.FILLED):
        began = time.monotonic()
        restore_files(archive=archive, tenant=ref_of(row), on_progress=on_progress)
        with owner_transaction():
            _note(row, RestoreState.FILLED, began)
    if verifying is not None:
        verifying(row)
    began = time.monotonic()
    with owner_transaction():
        tenant = opening(row, archive.manifest.tenant)
        row.finished_at = timezone.now()
        row.tenant_id = row.tenant_id or (tenant.pk if tenant else None)
        _note(row, RestoreState.DONE, began)
    return tenant


def _announce(tenant: Tenant | None) -> Tenant:
    """Let every process forget that the host led nowhere. The row as the application has it."""
    if tenant is None:
        raise RestoreDiffers("The import ended without a tenant.")
    resolution.bump_version()
    with context.run_in_public():
        found: Tenant = Tenant.objects.get(pk=tenant.pk)
    return found


def _require_release(row: ArchiveImport) -> None:
    release = require_release()
    with owner_transaction() as connection:
        made = describe_schema(connection, row.schema_name)
        if made.fingerprint != release.fingerprint:
            found = differences_from_template(connection, made)
            lines = "\n".join(f"- {difference}" for difference in found) or "- grants or owners"
            raise RestoreDiffers(
                "The restored schema is not the release's (release | restored), so it can't become "
                f"a tenant. Mend the tenant that it was exported from, and export it anew:\n{lines}"
            )


def _has_reached(row: ArchiveImport, state: RestoreState) -> bool:
    return _ORDER.index(RestoreState(row.state)) >= _ORDER.index(state)


def _note(row: ArchiveImport, state: RestoreState, began: float) -> None:
    """The row's next state, in the owner's transaction that did the work."""
    row.state = state
    row.steps = [
        *row.steps,
        {
            "state": state.value,
            "at": timezone.now().isoformat(),
            "milliseconds": round((time.monotonic() - began) * 1000),
        },
    ]
    row.save(using=OWNER, update_fields=["state", "steps", "finished_at", "tenant"])


def _undo(row: ArchiveImport, reason: str) -> None:
    """Schema, role and files are taken back, unless the last step has committed."""
    with owner_transaction() as connection:
        there = ArchiveImport.objects.using(OWNER).select_for_update().get(pk=row.pk)
        if there.is_finished:
            return
        if Tenant.objects.using(OWNER).filter(schema_name=there.schema_name).exists():
            raise RuntimeError(f"{there.schema_name} is a tenant's. It is not dropped.")
        drop_schema(connection, there.schema_name)
        there.state = RestoreState.UNDONE
        there.error = reason[:2000]
        there.finished_at = timezone.now()
        there.save(using=OWNER, update_fields=["state", "error", "finished_at"])
    remove_files(ref_of(there))


def remove_files(tenant: TenantRef) -> None:
    """Remove the folder of a tenant that never was, or is no more."""
    with context.run_in(tenant):
        stored_files.remove_all()


@contextmanager
def _working_on(row: ArchiveImport) -> Iterator[bool]:
    """Whether this process is the one that works on it, until the block ends or the process dies."""
    number = (_WORKING ^ (row.id.int & (2**62 - 1))) & (2**63 - 1)
    with owner_transaction() as connection:
        cursor = connection.cursor(row_factory=tuple_row)
        found = cursor.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()
    is_mine = bool(found and found[0])
    try:
        yield is_mine
    finally:
        if is_mine:
            with owner_transaction() as connection:
                connection.execute("SELECT pg_advisory_unlock(%s)", [number])


def _find(import_id: UUID) -> ArchiveImport:
    row = ArchiveImport.objects.filter(pk=import_id).first()
    if row is None:
        raise ImportNotFound(f"There is no import {import_id}.")
    return row


def _identity(facts: TenantFacts, subdomain: str) -> UUID:
    """Its own uuid where it comes back to the place that it left; else a new one."""
    is_back = subdomain == facts.subdomain
    if is_back and not Tenant.objects.filter(uuid=facts.key).exists():
        return facts.key
    return uuid7()


def _name_of(source: Path | BinaryIO) -> str:
    return str(source if isinstance(source, Path) else getattr(source, "name", "a stream"))[:500]


def _open_tenant(row: ArchiveImport, facts: TenantFacts) -> Tenant:
    """What makes it live: tenant, domains, history, in the caller's transaction."""
    is_back = row.tenant_uuid == facts.key
    status = Status.ACTIVE
    if facts.status in _STATUS_KEPT:
        status = Status(facts.status)
    tenant = Tenant(
        uuid=row.tenant_uuid,
        schema_name=row.schema_name,
        name=row.name,
        subdomain=row.subdomain,
        status=status,
    )
    try:
        with transaction.atomic(using=OWNER):
            tenant.save(using=OWNER, force_insert=True)
            _add_domain(tenant, hostname_of(row.subdomain), is_primary=True)
    except IntegrityError as error:
        raise HostnameTaken(taken_sentence(row.subdomain)) from error
    if is_back:
        _bring_back_history(tenant, facts)
    StatusChange.objects.using(OWNER).create(
        tenant=tenant,
        before=Status.PROVISIONING,
        after=status,
        reason=f"Imported from {row.source}",
        by=row.by,
    )
    return tenant


def _add_domain(tenant: Tenant, name: str, *, is_primary: bool) -> None:
    """Past DomainMixin.save(), which makes a tenant's first domain its primary one."""
    verified_at = timezone.now() if is_primary else None
    Domain.objects.using(OWNER).bulk_create(
        [Domain(tenant=tenant, domain=name, is_primary=is_primary, verified_at=verified_at)]
    )


def _bring_back_history(tenant: Tenant, facts: TenantFacts) -> None:
    """Its domains, not verified here yet, and what happened to it before."""
    own = hostname_of(tenant.subdomain)
    for found in facts.domains:
        name = str(found["domain"])
        is_ours = name.endswith(f".{settings.TERRACE_BASE_DOMAIN}")
        if name == own or is_ours or Domain.objects.using(OWNER).filter(domain=name).exists():
            continue
        _add_domain(tenant, name, is_primary=False)
    Tenant.objects.using(OWNER).filter(pk=tenant.pk).update(
        created_at=datetime.fromisoformat(facts.created_at)
    )
    for change in facts.status_changes:
        made = StatusChange.objects.using(OWNER).create(
            tenant=tenant,
            before=str(change["before"]),
            after=str(change["after"]),
            reason=str(change["reason"]),
            by=str(change["by"]),
        )
        at: Any = datetime.fromisoformat(str(change["at"]))
        StatusChange.objects.using(OWNER).filter(pk=made.pk).update(at=at)
