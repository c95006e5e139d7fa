"""Every night's archive, its store, its end, and the proof that it can be restored."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from shared_apps.tenants import context
from shared_apps.tenants.archive import backups, drills, importing, tasks
from shared_apps.tenants.archive.backup_stores import backup_store
from shared_apps.tenants.archive.drills import DrillFailed
from shared_apps.tenants.archive.errors import (
    ArchiveEncrypted,
    BackupNotFound,
    BackupStoreRefused,
    WrongKey,
)
from shared_apps.tenants.models import Backup, RestoreDrill, Tenant
from shared_apps.tenants.schemas import owner_transaction
from tests.shared_apps.tenants.archive.conftest import ARTICLES, schemas_and_roles
from tests.shared_apps.tenants.archive.s3_server import Bucket, run_s3_server


def stored() -> list[Path]:
    return [path for path in Path(settings.TERRACE_BACKUP_STORE).rglob("*") if path.is_file()]


# --- The nightly backup ---------------------------------------------------------------------------------


def test_task_backs_its_tenant_up(initech: Tenant) -> None:
    with context.run_in(initech):
        tasks.back_up()
    backup = Backup.objects.get(tenant=initech)
    assert [path.stat().st_size for path in stored()] == [backup.bytes]
    assert backup.rows > ARTICLES
    assert backup.finished_at is not None
    assert backup.expires_at - backup.at == timedelta(days=30)
    assert "initech" not in backup.store_key
    with backups.check_backup(backup) as archive:
        assert archive.rows == backup.rows
        assert archive.sha256 == backup.archive_sha256


def test_backup_that_fails_says_why_and_leaves_no_file(initech: Tenant) -> None:
    with owner_transaction() as connection:
        connection.execute(f'CREATE VIEW "{initech.schema_name}".v AS SELECT 1'.encode())
    with pytest.raises(Exception, match="view v"):
        backups.back_up_tenant(tenant=initech)
    backup = Backup.objects.get()
    assert "view v" in backup.error
    assert (backup.finished_at, backup.removed_at is not None) == (None, True)
    assert stored() == []
    with pytest.raises(BackupNotFound):
        backups.newest_backup(tenant=initech)


def test_encrypted_backup_needs_its_key(initech: Tenant, settings: Any) -> None:
    settings.TERRACE_BACKUP_KEY = "a1" * 32
    backup = backups.back_up_tenant(tenant=initech)
    assert backup.is_encrypted
    assert b"initech" not in stored()[0].read_bytes()
    assert drills.run_drill(tenant=initech).passed_at is not None
    settings.TERRACE_BACKUP_KEY = "b2" * 32
    with pytest.raises(WrongKey), backups.check_backup(backup):
        pass
    settings.TERRACE_BACKUP_KEY = ""
    with pytest.raises(ArchiveEncrypted, match="TERRACE_BACKUP_KEY"), backups.check_backup(backup):
        pass
    settings.TERRACE_BACKUP_KEY = "no key"
    with pytest.raises(ImproperlyConfigured, match="TERRACE_BACKUP_KEY"):
        backups.back_up_tenant(tenant=initech)


def test_expired_backups_are_removed_but_not_the_last(initech: Tenant) -> None:
    first = backups.back_up_tenant(tenant=initech)
    later = timezone.now() + timedelta(days=31)
    assert backups.remove_expired(now=later) == 0
    second = backups.back_up_tenant(tenant=initech)
    assert backups.remove_expired() == 0
    assert backups.remove_expired(now=later) == 1
    assert backups.remove_expired(now=later) == 0
    first.refresh_from_db()
    assert first.removed_at is not None
    assert [path.name for path in stored()] == [second.store_key.rpartition("/")[2]]
    with pytest.raises(BackupNotFound), backups.check_backup(first):
        pass


def test_erased_tenants_last_backup_expires_too(initech: Tenant) -> None:
    backups.back_up_tenant(tenant=initech)
    Tenant.objects.filter(pk=initech.pk).update(status="erased")
    assert backups.remove_expired(now=timezone.now() + timedelta(days=31)) == 1
    assert stored() == []


def test_backup_of_a_killed_process_is_removed_after_a_day(initech: Tenant) -> None:
    backup = backups.back_up_tenant(tenant=initech)
    Backup.objects.filter(pk=backup.pk).update(finished_at=None)
    assert backups.remove_expired() == 0
    assert backups.remove_expired(now=timezone.now() + timedelta(hours=25)) == 1
    assert stored() == []
    backup.refresh_from_db()
    assert "killed" in backup.error


def test_newest_backup_before_a_moment(initech: Tenant) -> None:
    first = backups.back_up_tenant(tenant=initech)
    second = backups.back_up_tenant(tenant=initech)
    assert backups.newest_backup(tenant=initech) == second
    assert backups.newest_backup(tenant=initech, before=second.at) == first
    with pytest.raises(BackupNotFound):
        backups.newest_backup(tenant=initech, before=first.at)


# --- The drill -------------------------------------------------------------------------------------------


def test_drill_restores_a_backup_and_leaves_nothing(initech: Tenant) -> None:
    backup = backups.back_up_tenant(tenant=initech)
    before = schemas_and_roles()
    tasks.restore_drill()
    drill = RestoreDrill.objects.get(backup=backup)
    assert drill.passed_at is not None
    assert (drill.failure, drill.rows) == ("", backup.rows)
    assert drill.tables > 10
    assert drill.milliseconds
    assert schemas_and_roles() == before


def test_drill_of_a_damaged_backup_fails_by_name(initech: Tenant) -> None:
    backups.back_up_tenant(tenant=initech)
    (path,) = stored()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    before = schemas_and_roles()
    with pytest.raises(DrillFailed, match=r"initech.*ArchiveDamaged"):
        drills.run_drill()
    drill = RestoreDrill.objects.get()
    assert (drill.passed_at, "ArchiveDamaged" in drill.failure) == (None, True)
    assert schemas_and_roles() == before


def test_drill_of_a_lost_backup_fails_by_name(initech: Tenant) -> None:
    backups.back_up_tenant(tenant=initech)
    stored()[0].unlink()
    with pytest.raises(DrillFailed, match="BackupNotFound"):
        drills.run_drill()


def test_drill_finds_a_row_that_did_not_come_back(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes a row of the scratch schema before it is compared."""
    backups.back_up_tenant(tenant=initech)
    original = importing.restore_files

    def then_lose_a_row(*, archive: Any, tenant: Any, on_progress: Any) -> int:
        with owner_transaction() as connection:
            connection.execute(
                f'DELETE FROM "{tenant.schema_name}".products_productvariant'.encode()
            )
        return original(archive=archive, tenant=tenant, on_progress=on_progress)

    monkeypatch.setattr(importing, "restore_files", then_lose_a_row)
    with pytest.raises(DrillFailed, match="products_productvariant has 0 rows"):
        drills.run_drill()


def test_drill_without_backups_says_so(archives: None) -> None:
    with pytest.raises(BackupNotFound, match="No tenant"):
        drills.run_drill()


# --- Stores ----------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An S3 server, and TERRACE_BACKUP_STORE on it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with run_s3_server() as (address, found):
        settings.TERRACE_BACKUP_STORE = (
            f"s3://backups/terrace?endpoint={address}&region=eu-central-1"
        )
        yield found


def test_large_file_goes_to_the_bucket_in_parts(bucket: Bucket) -> None:
    content = random.Random(1).randbytes(20 * 1024 * 1024)  # noqa: S311 - no secret
    store = backup_store()
    with store.writer("a/b.terrace") as file:
        for start in range(0, len(content), 70_000):
            file.write(content[start : start + 70_000])
    assert list(bucket.objects) == ["backups/terrace/a/b.terrace"]
    assert 5 * 1024 * 1024 < bucket.largest_body <= 8 * 1024 * 1024
    with store.reader("a/b.terrace") as file:
        assert file.seek(0) == 0
        assert file.read() == content
    store.remove("a/b.terrace")
    store.remove("a/b.terrace")
    assert bucket.objects == {}
    with pytest.raises(BackupNotFound), store.reader("a/b.terrace"):
        pass


def test_upload_that_fails_leaves_nothing_in_the_bucket(bucket: Bucket) -> None:
    bucket.refuse_part = 1
    with pytest.raises(BackupStoreRefused, match="AccessDenied"):
        with backup_store().writer("a.terrace") as file:
            file.write(b"x")
    assert (bucket.objects, bucket.uploads) == ({}, {})
    bucket.refuse_part = 0
    with pytest.raises(KeyboardInterrupt):
        with backup_store().writer("a.terrace") as file:
            file.write(b"x")
            raise KeyboardInterrupt
    assert (bucket.objects, bucket.uploads) == ({}, {})


def test_backup_in_a_bucket_passes_its_drill(initech: Tenant, bucket: Bucket) -> None:
    backup = backups.back_up_tenant(tenant=initech)
    assert [len(content) for content in bucket.objects.values()] == [backup.bytes]
    assert drills.run_drill(tenant=initech).passed_at is not None


def test_bucket_that_is_away_is_named(bucket: Bucket, settings: Any) -> None:
    settings.TERRACE_BACKUP_STORE = "s3://backups?endpoint=http://127.0.0.1:1&region=eu"
    with pytest.raises(BackupStoreRefused, match="can't be reached"):
        with backup_store().reader("a.terrace"):
            pass


@pytest.mark.parametrize("address", ["s3://", "s3://bucket?colour=red"])
def test_store_address_that_is_wrong_is_explained(address: str, settings: Any) -> None:
    settings.TERRACE_BACKUP_STORE = address
    with pytest.raises(ImproperlyConfigured, match="s3://bucket/prefix"):
        backup_store()


@pytest.mark.parametrize("key", ["../x", "/x", "a/../../x", ""])
def test_folder_store_stays_in_its_folder(key: str, tmp_path: Path, settings: Any) -> None:
    settings.TERRACE_BACKUP_STORE = str(tmp_path / "store")
    with pytest.raises(ValueError, match="not a key"), backup_store().writer(key):
        pass
    assert list(tmp_path.iterdir()) == []


def test_folder_store_that_can_not_be_written_is_named(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "file").write_text("in the way")
    settings.TERRACE_BACKUP_STORE = str(tmp_path / "file")
    with pytest.raises(BackupStoreRefused, match="can't be written"):
        with backup_store().writer("a.terrace"):
            pass
