"""A tenant as a file, and back: row for row, or refused with nothing changed."""

import io
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from shared_apps.domains.models import Domain
from shared_apps.domains.names import HostnameTaken, SubdomainInvalid, check_subdomain
from shared_apps.tenants import context, lifecycle
from shared_apps.tenants.archive import importing
from shared_apps.tenants.archive.encryption import ArchiveKey
from shared_apps.tenants.archive.errors import (
    ArchiveCut,
    ArchiveDamaged,
    ArchiveEncrypted,
    ArchiveError,
    ArchiveNewer,
    ArchiveNotWritten,
    DiskFull,
    ExportUnderWay,
    ImportNotFound,
    ImportNotResumable,
    SchemaNotExportable,
    WrongKey,
)
from shared_apps.tenants.archive.framing import FrameWriter
from shared_apps.tenants.archive.reading import check_archive, read_manifest
from shared_apps.tenants.archive.writing import Progress, export_tenant
from shared_apps.tenants.models import (
    ArchiveImport,
    RestoreState,
    SchemaTemplate,
    Status,
    StatusChange,
    Tenant,
)
from shared_apps.tenants.postgresql.catalogue import describe_schema
from shared_apps.tenants.schemas import owner_transaction
from tenant_apps.articles.models import Article, Tag
from tests.shared_apps.tenants.archive.conftest import (
    ARTICLES,
    FILES,
    Rows,
    erase,
    files_of,
    schemas_and_roles,
)

OPERATOR = "op@example.com"


def import_it(source: Any, **more: Any) -> Tenant:
    return importing.import_archive(source=source, by=OPERATOR, **more)


# --- There and back ----------------------------------------------------------------------------------


def test_import_under_another_name_is_row_for_row_equal(
    initech: Tenant, archive_file: Path, rows_of: Rows
) -> None:
    copy = import_it(archive_file, subdomain="initrode", name="Initrode")

    assert (copy.subdomain, copy.name, copy.status) == ("initrode", "Initrode", Status.ACTIVE)
    assert rows_of(copy) == rows_of(initech)
    assert sum(table.rows for table in rows_of(copy)) > ARTICLES
    assert files_of(copy) == FILES
    assert copy.uuid != initech.uuid
    importing.remove_files(copy.ref)


def test_imported_schema_has_the_releases_fingerprint_and_goes_on_counting(
    archive_file: Path, rows_of: Rows
) -> None:
    copy = import_it(archive_file, subdomain="initrode")

    release = SchemaTemplate.objects.get()
    with owner_transaction() as connection:
        made = describe_schema(connection, copy.schema_name)
    assert (made.fingerprint, made.migrations_hash) == (
        release.fingerprint,
        release.migrations_hash,
    )
    with context.run_in(copy):
        assert Tag.objects.create(name="new", slug="new").pk is not None
        assert Article.objects.count() == ARTICLES
    importing.remove_files(copy.ref)


def test_imported_tenant_is_served(archive_file: Path) -> None:
    copy = import_it(archive_file, subdomain="initrode")
    client = Client(headers={"host": copy.primary_hostname})
    assert client.get("/articles/").status_code == 200
    importing.remove_files(copy.ref)


def test_erased_tenant_comes_back_as_itself(initech: Tenant, tmp_path: Path, rows_of: Rows) -> None:
    lifecycle.suspend_tenant(tenant=initech, reason="unpaid", by=OPERATOR)
    Domain.objects.create(
        tenant=initech, domain="shop.example", is_primary=False, verified_at="2026-01-01T00:00Z"
    )
    before = rows_of(initech)
    path = tmp_path / "initech.terrace"
    export_tenant(tenant=initech, target=path)
    erase(initech)

    back = import_it(path)

    assert (back.uuid, back.subdomain, back.name) == (initech.uuid, "initech", "Initech")
    assert back.schema_name != initech.schema_name
    assert back.status == Status.SUSPENDED
    assert rows_of(back) == before
    assert files_of(back) == FILES
    back.refresh_from_db()
    assert back.created_at == initech.created_at
    reasons = list(StatusChange.objects.filter(tenant=back).values_list("reason", flat=True))
    assert "unpaid" in reasons
    assert any(reason.startswith("Imported from") for reason in reasons)
    assert Domain.objects.get(domain="shop.example").verified_at is None
    importing.remove_files(back.ref)


def test_archive_holds_no_session(archive_file: Path, initech: Tenant) -> None:
    assert b"initech-session" not in archive_file.read_bytes()
    copy = import_it(archive_file, subdomain="initrode")
    with owner_transaction() as connection:
        query = f'SELECT count(*) FROM "{copy.schema_name}".django_session'
        assert connection.execute(query.encode()).fetchone() == (0,)
    importing.remove_files(copy.ref)


def test_encrypted_archive_is_imported_with_its_passphrase(
    initech: Tenant, tmp_path: Path, rows_of: Rows
) -> None:
    path = tmp_path / "sealed.terrace"
    key = ArchiveKey.from_passphrase("correct horse")
    export_tenant(tenant=initech, target=path, key=key)
    assert b"initech" not in path.read_bytes()

    copy = import_it(path, subdomain="initrode", key=key)

    assert rows_of(copy) == rows_of(initech)
    importing.remove_files(copy.ref)


class OneWay(io.RawIOBase):
    """A stream that can be read, or written, once."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(size, 1000) if size > 0 else 1000)

    def write(self, data: Any) -> int:
        return self.data.write(data)


def test_streams_go_both_ways(initech: Tenant, rows_of: Rows) -> None:
    out = OneWay()
    export_tenant(tenant=initech, target=out)  # type: ignore[arg-type]
    copy = import_it(OneWay(out.data.getvalue()), subdomain="initrode")
    assert rows_of(copy) == rows_of(initech)
    importing.remove_files(copy.ref)


def test_export_is_of_one_moment(initech: Tenant, tmp_path: Path) -> None:
    """What is written while it runs is in none of its tables."""
    written = []

    def write_meanwhile(progress: Progress) -> None:
        if not written:
            written.append(progress.part)
            connections["default"].close()
            with context.run_in(initech):
                Article.objects.all().delete()
                Tag.objects.create(name="late", slug="late")

    export_tenant(tenant=initech, target=tmp_path / "a.terrace", on_progress=write_meanwhile)
    with check_archive(source=tmp_path / "a.terrace") as archive:
        parts = archive.parts_of("table")
    assert parts["articles_article"].rows == ARTICLES
    assert parts["articles_tag"].rows == 0


def test_archive_of_an_older_release_is_migrated(
    initech: Tenant, tmp_path: Path, rows_of: Rows
) -> None:
    """The tenant is taken back to before the workspace's second migration, and exported so."""
    from shared_apps.tenants.migrating import Target, migrate_schema

    migrate_schema(initech.schema_name, Target("workspace", "0001"))
    path = tmp_path / "old.terrace"
    export_tenant(tenant=initech, target=path)
    with path.open("rb") as file:
        assert ("workspace", "0002_takeout") not in read_manifest(source=file).migrations
    migrate_schema(initech.schema_name, Target())

    copy = import_it(path, subdomain="initrode")

    def without_history(tenant: Tenant) -> list[Any]:
        return [table for table in rows_of(tenant) if table.name != "django_migrations"]

    assert without_history(copy) == without_history(initech)
    importing.remove_files(copy.ref)


# --- Bad input: refused by name, nothing changed ------------------------------------------------------


@contextmanager
def nothing_changes() -> Iterator[None]:
    def state() -> Any:
        tenants = {*Tenant.objects.values_list("subdomain", "schema_name")}
        return schemas_and_roles(), tenants, {*Domain.objects.values_list("domain", flat=True)}

    before = state()
    yield
    assert state() == before


def test_flipped_byte_is_refused(archive_file: Path) -> None:
    data = bytearray(archive_file.read_bytes())
    data[len(data) // 2] ^= 1
    archive_file.write_bytes(data)
    with nothing_changes(), pytest.raises(ArchiveDamaged, match="Take another copy"):
        import_it(archive_file, subdomain="initrode")
    assert not ArchiveImport.objects.exists()


def test_cut_file_is_refused(archive_file: Path) -> None:
    archive_file.write_bytes(archive_file.read_bytes()[:-5000])
    with nothing_changes(), pytest.raises(ArchiveCut, match="ends before its end"):
        import_it(archive_file, subdomain="initrode")


def test_wrong_key_and_no_key_are_refused(initech: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "sealed.terrace"
    export_tenant(tenant=initech, target=path, key=ArchiveKey.from_passphrase("right"))
    with nothing_changes():
        with pytest.raises(WrongKey):
            import_it(path, subdomain="initrode", key=ArchiveKey.from_passphrase("wrong"))
        with pytest.raises(ArchiveEncrypted):
            import_it(path, subdomain="initrode")


def rewritten(path: Path, target: Path, **changes: Any) -> Path:
    """The archive with another manifest, as somebody would make it who knows the format."""
    with check_archive(source=path) as archive, target.open("wb") as file:
        frames = FrameWriter(file, key=None)
        frames.write_json(b"M", replace(archive.manifest, **changes).as_json())
        for kind in ("table", "media"):
            for facts, content in archive.read_parts(kind=kind):
                part = frames.begin_part(name=facts.name, kind=kind)
                for piece in content.pieces():
                    part.write(piece)
                part.end(**({"rows": facts.rows} if kind == "table" else {}))
        frames.finish()
    return target


def test_archive_of_a_newer_release_is_refused(archive_file: Path, tmp_path: Path) -> None:
    with check_archive(source=archive_file) as archive:
        migrations = [*archive.manifest.migrations, ("articles", "0999_of_tomorrow")]
    newer = rewritten(archive_file, tmp_path / "newer.terrace", migrations=migrations)
    with (
        nothing_changes(),
        pytest.raises(ArchiveNewer, match=r"articles\.0999_of_tomorrow.*update"),
    ):
        import_it(newer, subdomain="initrode")


@pytest.mark.parametrize("name", ["", "acme", "globex"])
def test_name_that_is_taken_is_refused(archive_file: Path, name: str) -> None:
    with nothing_changes(), pytest.raises(HostnameTaken):
        import_it(archive_file, subdomain=name)
    assert not ArchiveImport.objects.exists()


def test_name_that_can_not_be_is_refused(archive_file: Path) -> None:
    with nothing_changes(), pytest.raises(SubdomainInvalid):
        import_it(archive_file, subdomain="no spaces")


def test_name_that_an_import_takes_is_taken_for_others(initech: Tenant) -> None:
    importing.begin_restore(
        ArchiveImport(
            purpose="import", source="x", archive_sha256="", subdomain="initrode",
            tenant_uuid=initech.uuid, by=OPERATOR,
        )
    )  # fmt: skip
    with pytest.raises(HostnameTaken):
        check_subdomain("initrode")


def test_export_to_a_full_disk_leaves_nothing(initech: Tenant, tmp_path: Path) -> None:
    """The operating system refuses to let the file grow; an older export of that name stays."""
    path = tmp_path / "initech.terrace"
    path.write_bytes(b"yesterday's")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, limits[1]))
    try:
        with pytest.raises(DiskFull, match="no room"):
            export_tenant(tenant=initech, target=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == {
        "initech.terrace": b"yesterday's"
    }


def test_export_to_a_full_device_says_so(initech: Tenant) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(DiskFull):
        export_tenant(tenant=initech, target=full)  # type: ignore[arg-type]


def test_export_into_no_folder_says_so(initech: Tenant, tmp_path: Path) -> None:
    with pytest.raises(ArchiveNotWritten, match="No such file"):
        export_tenant(tenant=initech, target=tmp_path / "none" / "initech.terrace")


def test_two_exports_to_one_path_take_turns(initech: Tenant, tmp_path: Path) -> None:
    path = tmp_path / "initech.terrace"

    def again(progress: Progress) -> None:
        with pytest.raises(ExportUnderWay):
            export_tenant(tenant=initech, target=path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_tenant(tenant=initech, target=path, on_progress=again)
    assert list(tmp_path.iterdir()) == []


def _interrupt_at(part: str) -> Any:
    def interrupt(progress: Progress) -> None:
        if progress.part == part:
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.parametrize("part", ["articles_article", "users_user", "notes.txt"])
def test_export_stopped_with_ctrl_c_leaves_nothing(
    initech: Tenant, tmp_path: Path, part: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        export_tenant(
            tenant=initech, target=tmp_path / "a.terrace", on_progress=_interrupt_at(part)
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["articles_article", "workspace_workspace", "notes.txt"])
def test_import_stopped_with_ctrl_c_is_undone(archive_file: Path, part: str) -> None:
    with nothing_changes(), pytest.raises(KeyboardInterrupt):
        import_it(archive_file, subdomain="initrode", on_progress=_interrupt_at(part))
    row = ArchiveImport.objects.get()
    assert (row.state, row.error[:17]) == (RestoreState.UNDONE, "KeyboardInterrupt")
    with context.run_in(importing.ref_of(row)):
        from django.core.files.storage import default_storage

        assert not Path(default_storage.path("")).exists()
    assert check_subdomain("initrode") == "initrode"


def test_schema_with_a_view_is_refused(initech: Tenant, tmp_path: Path) -> None:
    with owner_transaction() as connection:
        connection.execute(f'CREATE VIEW "{initech.schema_name}".v AS SELECT 1'.encode())
    with pytest.raises(SchemaNotExportable, match="view v"):
        export_tenant(tenant=initech, target=tmp_path / "a.terrace")
    assert list(tmp_path.iterdir()) == []


# --- A killed import ----------------------------------------------------------------------------------


class Killed(BaseException):
    """As kill -9: nothing after it runs."""


@pytest.fixture
def killed_at(archive_file: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`killed_at(part)`: an import that ended there without undoing anything. Gives its row."""

    def kill(part: str) -> ArchiveImport:
        def die(progress: Progress) -> None:
            if progress.part == part:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(importing, "_undo", lambda row, reason: None)
            with pytest.raises(Killed):
                import_it(archive_file, subdomain="initrode", on_progress=die)
        connections.close_all()
        return ArchiveImport.objects.get()

    return kill


def test_import_that_is_done_is_not_resumed(initech: Tenant, archive_file: Path) -> None:
    tenant = import_it(archive_file, subdomain="initrode")
    with pytest.raises(ImportNotResumable):
        importing.resume_import(import_id=ArchiveImport.objects.get().pk, source=archive_file)
    importing.remove_files(tenant.ref)


def test_killed_import_is_not_resumed_with_another_file(
    initech: Tenant, killed_at: Any, tmp_path: Path
) -> None:
    row = killed_at("notes.txt")
    with context.run_in(initech):
        Tag.objects.create(name="more", slug="more")
    export_tenant(tenant=initech, target=tmp_path / "other.terrace")
    with pytest.raises(ArchiveDamaged, match="not the archive"):
        importing.resume_import(import_id=row.pk, source=tmp_path / "other.terrace")


def test_import_that_a_process_works_on_is_left_alone(
    initech: Tenant, archive_file: Path, in_threads: Any
) -> None:
    found = []

    def look(progress: Progress) -> None:
        if not found:
            row = ArchiveImport.objects.get()
            found.extend(in_threads(lambda key: importing.undo_import(import_id=key), [row.pk]))

    tenant = import_it(archive_file, subdomain="initrode", on_progress=look)
    assert found == [False]
    assert Tenant.objects.filter(pk=tenant.pk).exists()
    importing.remove_files(tenant.ref)


def test_import_that_is_unknown_is_named(committed: None, initech: Tenant) -> None:
    with pytest.raises(ImportNotFound):
        importing.undo_import(import_id=initech.uuid)


def test_archive_errors_have_one_root() -> None:
    assert issubclass(DiskFull, ArchiveError)
