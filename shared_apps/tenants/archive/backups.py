"""Every tenant's archive, every night, kept for as long as the settings say."""

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.archive.backup_stores import backup_store
from shared_apps.tenants.archive.encryption import ArchiveKey, Writable
from shared_apps.tenants.archive.errors import ArchiveEncrypted, BackupNotFound
from shared_apps.tenants.archive.reading import CheckedArchive, check_archive
from shared_apps.tenants.archive.writing import OnProgress, export_tenant
from shared_apps.tenants.models import Backup, Tenant

logger = logging.getLogger(__name__)

# A backup that has not ended by then was killed.
_ABANDONED_AFTER: Final = timedelta(hours=24)


def back_up_tenant(*, tenant: Tenant, on_progress: OnProgress | None = None) -> Backup:
    """Write a tenant's archive to the backup store.

    Its row comes first, so that nothing is ever in the store that no row tells of.

    Raises:
        whatever export_tenant and the store raise; the row keeps the sentence, the file is gone.
    Runs in: the public schema and the tenant's, as the owner; not inside a transaction.
    """
    key = backup_key()
    now = timezone.now()
    with context.run_in_public():
        backup = Backup(
            tenant=tenant,
            at=now,
            is_encrypted=key is not None,
            expires_at=now + timedelta(days=settings.TERRACE_BACKUP_RETENTION_DAYS),
        )
        # The uuid, not the name: a bucket's listing tells nobody who the customers are.
        backup.store_key = f"{tenant.uuid.hex}/{now:%Y%m%dT%H%M%SZ}-{backup.id.hex[-8:]}.terrace"
        backup.save(force_insert=True)
        began = time.monotonic()
        try:
            with backup_store().writer(backup.store_key) as file:
                counted = _Counted(file)
                exported = export_tenant(
                    tenant=tenant,
                    target=counted,  # type: ignore[arg-type]  # it is only written to
                    key=key,
                    on_progress=on_progress,
                )
        except Exception as error:
            backup.error = f"{type(error).__name__}: {error}"[:2000]
            backup.removed_at = timezone.now()
            backup.save(update_fields=["error", "removed_at"])
            raise
        backup.rows = exported.rows
        backup.bytes = counted.size
        backup.file_sha256 = counted.digest.hexdigest()
        backup.archive_sha256 = exported.sha256
        backup.milliseconds = round((time.monotonic() - began) * 1000)
        backup.finished_at = timezone.now()
        backup.save(
            update_fields=[
                *("rows", "bytes", "file_sha256", "archive_sha256", "milliseconds", "finished_at")
            ]
        )
    return backup


def newest_backup(*, tenant: Tenant, before: datetime | None = None) -> Backup:
    """The newest backup that is kept, of a moment before the one that is given.

    Raises:
        BackupNotFound: there is none.
    Runs in: the public schema, whatever is set.
    """
    with context.run_in_public():
        kept = tenant.backups.kept()
        if before is not None:
            kept = kept.filter(at__lt=before)
        backup: Backup | None = kept.order_by("-at").first()
    if backup is None:
        raise BackupNotFound(
            f"There is no backup of {tenant.subdomain} that is still kept"
            f"{f' from before {before:%Y-%m-%d %H:%M}' if before else ''}."
        )
    return backup


@contextmanager
def check_backup(backup: Backup) -> Iterator[CheckedArchive]:
    """A backup's archive, fetched and checked to its last byte.

    Raises:
        BackupNotFound: the store has lost it, or it was removed.
        ArchiveEncrypted: it is encrypted and TERRACE_BACKUP_KEY is not set.
        whatever check_archive says of the file.
    Runs in: no schema.
    """
    if backup.removed_at is not None or backup.finished_at is None:
        raise BackupNotFound(f"The backup {backup.store_key} is not kept.")
    key = backup_key() if backup.is_encrypted else None
    if backup.is_encrypted and key is None:
        raise ArchiveEncrypted(
            f"The backup {backup.store_key} is encrypted. Set TERRACE_BACKUP_KEY to the key that it "
            "was written with."
        )
    with (
        backup_store().reader(backup.store_key) as file,
        check_archive(source=file, key=key) as archive,
    ):
        yield archive


def remove_expired(*, now: datetime | None = None) -> int:
    """Remove backups that are kept long enough, and what killed processes left of theirs.

    A tenant's newest backup stays as long as the tenant is served, however old it is. Safe to repeat.

    Returns:
        How many were removed.
    Runs in: the public schema.
    """
    now = now or timezone.now()
    removed = 0
    with context.run_in_public():
        there = Backup.objects.filter(removed_at=None).select_related("tenant")
        expired = list(there.filter(finished_at__isnull=False, expires_at__lte=now))
        abandoned = list(there.filter(finished_at=None, at__lt=now - _ABANDONED_AFTER))
        for backup in expired:
            if _is_last(backup):
                continue
            removed += _remove(backup)
        for backup in abandoned:
            backup.error = backup.error or "Its process was killed."
            backup.save(update_fields=["error"])
            removed += _remove(backup)
    return removed


def backup_key() -> ArchiveKey | None:
    """The key that backups are encrypted with, or None.

    Raises:
        ImproperlyConfigured: TERRACE_BACKUP_KEY is no key.
    """
    text = settings.TERRACE_BACKUP_KEY
    if not text:
        return None
    try:
        return ArchiveKey.from_hex(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"TERRACE_BACKUP_KEY can't be used: {error}") from error


def _is_last(backup: Backup) -> bool:
    if backup.tenant.status == "erased":
        return False
    newer = Backup.objects.kept().filter(tenant_id=backup.tenant_id, at__gt=backup.at)
    return not newer.exists()


def _remove(backup: Backup) -> int:
    backup_store().remove(backup.store_key)
    backup.removed_at = timezone.now()
    backup.save(update_fields=["removed_at"])
    logger.info("Removed the backup %s", backup.store_key)
    return 1


class _Counted:
    """Counts and hashes what goes through."""

    def __init__(self, target: Writable) -> None:
        self._target = target
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._target.write(data)
        self.size += len(data)
        self.digest.update(data)
        return len(data)
