"""The proof that backups can be restored: every night one of them is, into a scratch schema."""

import hashlib
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from shared_apps.tenants import context, stored_files
from shared_apps.tenants.archive import importing
from shared_apps.tenants.archive.backups import check_backup, newest_backup
from shared_apps.tenants.archive.errors import ArchiveError, BackupNotFound, RestoreDiffers
from shared_apps.tenants.archive.manifest import MEDIA, TABLE, TenantFacts
from shared_apps.tenants.archive.reading import CheckedArchive
from shared_apps.tenants.archive.writing import copy_rows, snapshot_settings
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import (
    SERVED,
    ArchiveImport,
    Backup,
    RestoreDrill,
    RestorePurpose,
    Tenant,
)
from shared_apps.tenants.postgresql.catalogue import read_catalogue
from shared_apps.tenants.schemas import drop_schema, owner_transaction

logger = logging.getLogger(__name__)

# Longer than any drill may take (tasks.py).
ABANDONED_AFTER: Final = timedelta(hours=2)


class DrillFailed(ArchiveError):
    """A backup can't be restored. The RestoreDrill row says why."""


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """A table as it is in a schema: its rows, and the SHA-256 of them in COPY's text by key."""

    name: str
    rows: int
    sha256: str


def run_drill(*, tenant: Tenant | None = None) -> RestoreDrill:
    """Restore a tenant's newest backup into a scratch schema, compare, and drop it again.

    Compared are the catalogue's fingerprint, the files' checksums, and each table's rows: the
    restored table is read back by COPY and must have the bytes of the archive.

    Args:
        tenant: one of those that have a backup, by chance, where none is given.
    Raises:
        BackupNotFound: no tenant has a backup.
        DrillFailed: it can't be restored. The row says why, and the scratch schema is gone.
    Runs in: the public schema and the scratch schema, as the owner; not inside a transaction.
    """
    with context.run_in_public():
        backup = newest_backup(tenant=tenant) if tenant else _any_newest_backup()
        drill = RestoreDrill.objects.create(backup=backup)
        began = time.monotonic()
        try:
            with check_backup(backup) as archive:
                _restore_and_compare(backup, archive)
                drill.tables = len(archive.parts_of(TABLE))
                drill.rows = archive.rows
        except Exception as error:
            drill.failure = f"{type(error).__name__}: {error}"[:2000]
            _end(drill, began)
            raise DrillFailed(
                f"The backup {backup.store_key} of {backup.tenant.subdomain} can't be restored. "
                f"{drill.failure}"
            ) from error
        drill.passed_at = timezone.now()
        _end(drill, began)
    return drill


def end_abandoned_drills(*, now: datetime | None = None) -> int:
    """Note the drills whose process was killed. Returns how many.

    Runs in: the public schema.
    """
    now = now or timezone.now()
    with context.run_in_public():
        abandoned = RestoreDrill.objects.filter(
            finished_at=None, started_at__lt=now - ABANDONED_AFTER
        )
        return abandoned.update(finished_at=now, failure="Its process was killed.")


def read_tables(schema_name: str, *, names: Sequence[str] | None = None) -> list[RestoredTable]:
    """Each table's rows counted and hashed, in one snapshot.

    Args:
        names: of the tables; all of them where None.
    Raises:
        SchemaNotFound: there is no such schema.
    Runs in: that schema, as the owner.
    """
    found = []
    with owner_transaction() as connection:
        snapshot_settings(connection)
        for table in read_catalogue(connection, schema_name).tables:
            if names is None or table.name in names:
                digest = hashlib.sha256()
                rows = copy_rows(connection, schema_name, table, sink=digest.update)
                found.append(RestoredTable(table.name, rows, digest.hexdigest()))
    return found


def _any_newest_backup() -> Backup:
    served = Tenant.objects.filter(status__in=SERVED)
    holders = list(
        Backup.objects.kept()
        .filter(tenant__in=served)
        .order_by()
        .values_list("tenant_id", flat=True)
        .distinct()
    )
    if not holders:
        raise BackupNotFound("No tenant has a backup yet.")
    chosen = random.choice(holders)  # noqa: S311 - which tenant comes next is no secret
    return newest_backup(tenant=Tenant.objects.get(pk=chosen))


def _restore_and_compare(backup: Backup, archive: CheckedArchive) -> None:
    row = importing.begin_restore(
        ArchiveImport(
            purpose=RestorePurpose.DRILL,
            source=backup.store_key,
            archive_sha256=archive.sha256,
            tenant_uuid=uuid7(),
            tenant=backup.tenant,
            name=backup.tenant.name,
            by="restore drill",
        )
    )

    importing.work_on(
        row, archive, verifying=lambda made: _compare(made, archive), opening=_drop_scratch
    )


def _compare(row: ArchiveImport, archive: CheckedArchive) -> None:
    expected = {
        part.name: RestoredTable(part.name, part.rows or 0, part.sha256)
        for part in archive.parts_of(TABLE).values()
    }
    for found in read_tables(row.schema_name, names=list(expected)):
        if found != expected[found.name]:
            raise RestoreDiffers(
                f"{found.name} has {found.rows} rows in the scratch schema and "
                f"{expected[found.name].rows} in the backup, or other ones."
            )
    with context.run_in(importing.ref_of(row)):
        for part in archive.parts_of(MEDIA).values():
            if stored_files.sha256_of(part.name) != part.sha256:
                raise RestoreDiffers(f"The file {part.name} is not the one in the backup.")
    importing.remove_files(importing.ref_of(row))


def _drop_scratch(row: ArchiveImport, facts: TenantFacts) -> None:
    with owner_transaction() as connection:
        drop_schema(connection, row.schema_name)


def _end(drill: RestoreDrill, began: float) -> None:
    drill.finished_at = timezone.now()
    drill.milliseconds = round((time.monotonic() - began) * 1000)
    drill.save(
        update_fields=[*("finished_at", "milliseconds", "passed_at", "failure", "tables", "rows")]
    )
