"""Leak list 16, 21, 24: an archive, a restore and a take-out carry nothing of another tenant."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.db import connections

from shared_apps.domains.models import Domain
from shared_apps.tenants import context, stored_files
from shared_apps.tenants.archive import importing
from shared_apps.tenants.archive.errors import ArchiveDamaged
from shared_apps.tenants.archive.framing import FrameWriter
from shared_apps.tenants.archive.reading import check_archive
from shared_apps.tenants.archive.writing import export_tenant
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import ArchiveImport, Tenant
from shared_apps.tenants.schemas import OWNER, drop_schema, owner_transaction
from tenant_apps.users.models import User
from tenant_apps.workspace import takeout
from tenant_apps.workspace.models import TakeOut
from tests.isolation.conftest import Cast, secret_of


@pytest.fixture
def with_files(planted: Cast) -> Iterator[Cast]:
    """A file in each tenant, and in acme a link to globex' file and one to its folder."""
    for tenant in planted.values():
        with context.run_in(tenant):
            stored_files.remove_all()
            default_storage.save("note.txt", ContentFile(secret_of(tenant).encode()))
    with context.run_in(planted["globex"]):
        theirs = Path(default_storage.path(""))
    with context.run_in(planted["acme"]):
        mine = Path(default_storage.path(""))
    (mine / "link.txt").symlink_to(theirs / "note.txt")
    (mine / "folder").symlink_to(theirs)
    yield planted
    for tenant in planted.values():
        with context.run_in(tenant):
            stored_files.remove_all()


@pytest.fixture
def imported(with_files: Cast) -> Iterator[list[Tenant]]:
    """Tenants that a test appends here are gone afterwards."""
    made: list[Tenant] = []
    yield made
    for tenant in made:
        importing.remove_files(tenant.ref)
        with owner_transaction() as connection:
            drop_schema(connection, tenant.schema_name)
            Domain.objects.using(OWNER).filter(tenant_id=tenant.pk).delete()
            Tenant.objects.using(OWNER).filter(pk=tenant.pk).delete()
    ArchiveImport.objects.all().delete()
    connections.close_all()


@pytest.fixture
def acme_archive(with_files: Cast, tmp_path: Path) -> Path:
    path = tmp_path / "acme.terrace"
    export_tenant(tenant=Tenant.objects.get(pk=with_files["acme"].id), target=path)
    return path


def _read(name: str) -> bytes:
    with default_storage.open(name) as file:
        content: bytes = file.read()
    return content


def everything_in(path: Path) -> bytes:
    """All that the archive holds, unpacked."""
    with check_archive(source=path) as archive:
        found = [repr(archive.manifest).encode()]
        for kind in ("table", "media"):
            for facts, content in archive.read_parts(kind=kind):
                found += [facts.name.encode(), *content.pieces()]
    return b"\n".join(found)


@pytest.mark.usefixtures("committing_db")
def test_archive_holds_nothing_of_the_neighbour(acme_archive: Path, planted: Cast) -> None:
    found = everything_in(acme_archive)
    assert secret_of(planted["acme"]).encode() in found
    for word in ("globex", planted["globex"].schema_name, str(planted["globex"].uuid)):
        assert word.encode() not in found, word
    assert b"link.txt" not in found
    assert b"folder" not in found.replace(b"media folder", b"")


@pytest.mark.usefixtures("committing_db")
def test_restored_copy_has_nothing_of_its_source_that_opens_a_door(
    acme_archive: Path, planted: Cast, imported: list[Tenant]
) -> None:
    """A session and a signed value of acme are planted; in the copy both are nothing."""
    from django.core import signing

    with context.run_in(planted["acme"]):
        signed = signing.dumps("acme-secret")
        token = takeout.download_token(TakeOut())
    copy = importing.import_archive(source=acme_archive, by="op", subdomain="initrode")
    imported.append(copy)
    assert copy.uuid != planted["acme"].uuid
    with context.run_in(copy):
        assert not Session.objects.exists()
        assert User.objects.exists()
        for value in (signed, token):
            with pytest.raises(signing.BadSignature):
                signing.loads(value)
    with context.run_in(planted["globex"]):
        assert _read("note.txt") == b"globex-secret"


def _rewritten(path: Path, target: Path, statement: str, *, late: bool) -> Path:
    """The archive with one statement more, all its checksums right: as an attacker makes it."""
    with check_archive(source=path) as archive, target.open("wb") as file:
        manifest = archive.manifest
        if late:
            manifest = replace(manifest, late_ddl=[*manifest.late_ddl, statement])
        else:
            manifest = replace(manifest, table_ddl=[*manifest.table_ddl, statement])
        frames = FrameWriter(file, key=None)
        frames.write_json(b"M", manifest.as_json())
        for facts, content in archive.read_parts(kind="table"):
            part = frames.begin_part(name=facts.name, kind="table")
            for piece in content.pieces():
                part.write(piece)
            part.end(rows=facts.rows)
        frames.finish()
    return target


@pytest.mark.usefixtures("committing_db")
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "statement",
    [
        'CREATE TABLE "stolen" AS SELECT * FROM {globex}.probe_note',
        'CREATE TABLE "stolen" AS SELECT * FROM public.tenants_tenant',
        'CREATE TABLE "x" (); RESET ROLE; CREATE TABLE stolen AS SELECT * FROM {globex}.probe_note',
        "CREATE TABLE {globex}.planted (id int)",
        "CREATE TABLE public.planted (id int)",
        "ALTER TABLE {globex}.probe_note RENAME TO gone",
        "ALTER TABLE public.tenants_tenant OWNER TO CURRENT_USER",
        "COMMENT ON TABLE {globex}.probe_note IS 'seen'",
        "CREATE INDEX spy ON {globex}.probe_note (text)",
        "RESET ROLE",
        "DROP SCHEMA {globex} CASCADE",
        "DO $$ BEGIN EXECUTE 'RESET ROLE'; END $$",
        "COPY {globex}.probe_note TO PROGRAM 'cat'",
        "create table x as select 1",
    ],
)
def test_archive_with_words_of_its_own_reaches_no_neighbour(
    acme_archive: Path, tmp_path: Path, planted: Cast, statement: str, *, late: bool
) -> None:
    """The file is whole and its checksums are right. The control: the owner could do it."""
    words = statement.format(globex=planted["globex"].schema_name)
    before = _neighbours(planted)
    bad = _rewritten(acme_archive, tmp_path / "bad.terrace", words, late=late)
    with pytest.raises(ArchiveDamaged):
        importing.import_archive(source=bad, by="op", subdomain="initrode")
    assert _neighbours(planted) == before
    assert not Tenant.objects.filter(subdomain="initrode").exists()
    ArchiveImport.objects.all().delete()


def _neighbours(planted: Cast) -> Any:
    """globex' tables with comments, indexes and rows, and the public schema's tables."""
    query = (
        "SELECT n.nspname, c.relname, c.relowner::regrole::text, obj_description(c.oid)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('public', %s) ORDER BY 1, 2"
    )
    globex = planted["globex"].schema_name
    with owner_transaction() as connection:
        relations = connection.execute(query, [globex]).fetchall()
        rows = connection.execute(f'SELECT * FROM "{globex}".probe_note ORDER BY id'.encode())
        return relations, rows.fetchall()


@pytest.mark.usefixtures("committing_db")
def test_control_the_owner_could_read_the_neighbour(planted: Cast) -> None:
    """So what keeps an archive's statements out is the role that they run as."""
    globex = planted["globex"].schema_name
    with contextlib.suppress(ZeroDivisionError), owner_transaction() as connection:
        statement = f'CREATE TABLE public.stolen AS SELECT * FROM "{globex}".probe_note'
        connection.execute(statement.encode())
        found = connection.execute("SELECT count(*) FROM public.stolen").fetchone()
        assert found is not None
        assert found[0] > 0
        raise ZeroDivisionError  # takes it back


@pytest.mark.usefixtures("committing_db")
@pytest.mark.parametrize(
    "name", ["../{globex}/note.txt", "/etc/x", "a/../../{globex}/note.txt", "a\0b", ""]
)
def test_archive_with_a_file_that_leads_out_is_refused(
    acme_archive: Path, tmp_path: Path, planted: Cast, name: str
) -> None:
    bad = tmp_path / "bad.terrace"
    with check_archive(source=acme_archive) as archive, bad.open("wb") as file:
        frames = FrameWriter(file, key=None)
        frames.write_json(b"M", archive.manifest.as_json())
        for facts, content in archive.read_parts(kind="table"):
            part = frames.begin_part(name=facts.name, kind="table")
            for piece in content.pieces():
                part.write(piece)
            part.end(rows=facts.rows)
        part = frames.begin_part(name=name.format(globex=planted["globex"].uuid.hex), kind="media")
        part.write(b"overwritten")
        part.end()
        frames.finish()
    with pytest.raises(ArchiveDamaged, match="file"):
        importing.import_archive(source=bad, by="op", subdomain="initrode")
    with context.run_in(planted["globex"]):
        assert _read("note.txt") == b"globex-secret"
    assert not Tenant.objects.filter(subdomain="initrode").exists()
    ArchiveImport.objects.all().delete()


def test_takeout_holds_nothing_of_the_neighbour(
    db: None, with_files: Cast, acme: TenantRef, globex: TenantRef
) -> None:
    """The same keys and words are planted in both; links lead to the neighbour's files."""
    from tests.isolation.probe.models import Note

    def export_notes() -> Iterator[Any]:
        yield "notes", Note.objects.values("id", "text").iterator()

    from shared_apps.tenants import registry

    registry.register_exporter("probe", export_notes)
    try:
        with context.run_in(acme):
            take_out = takeout.start_takeout(by=User.objects.get())
            takeout.write_take_out(take_out=take_out)
            name = f"{take_out.pk.hex}.zip"
            with storages[takeout.STORAGE].open(name) as file:
                found = zipfile.ZipFile(io.BytesIO(file.read()))
            storages[takeout.STORAGE].delete(name)
    finally:
        del registry._exporters["probe"]
    names = found.namelist()
    text = b"".join(found.read(one) for one in names)
    assert b"acme-secret" in text
    assert b"globex" not in text
    assert "files/note.txt" in names
    assert not [one for one in names if "link" in one or "folder" in one]


@pytest.mark.usefixtures("committing_db")
def test_restored_roles_have_no_way_to_the_owner(
    acme_archive: Path, imported: list[Tenant]
) -> None:
    """While it restores, the owner is a member of the new role; afterwards of none."""
    copy = importing.import_archive(source=acme_archive, by="op", subdomain="initrode")
    imported.append(copy)
    with owner_transaction() as connection:
        members = connection.execute(
            "SELECT member::regrole::text, inherit_option, set_option FROM pg_auth_members"
            " WHERE roleid = %s::regrole",
            [copy.schema_name],
        ).fetchall()
        tables = connection.execute(
            "SELECT DISTINCT relowner::regrole::text FROM pg_class"
            " WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'S')",
            [copy.schema_name],
        ).fetchall()
    with_rights = {name for name, inherits, sets in members if inherits or sets}
    assert with_rights == {"terrace_app"}
    assert tables == [("terrace_owner",)]
    with context.run_in(copy), pytest.raises(Exception, match="permission denied"):
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('a','b',now())"
            )
