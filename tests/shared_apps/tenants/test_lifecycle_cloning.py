"""Copies of a tenant, with its data or with its settings alone."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from shared_apps.domains.names import HostnameTaken
from shared_apps.tenants import context, lifecycle
from shared_apps.tenants.keys import new_schema_name, uuid7
from shared_apps.tenants.lifecycle import cloning
from shared_apps.tenants.models import Cloning, Status, StatusChange, Tenant
from shared_apps.tenants.postgresql.catalogue import describe_schema, differences, table_names
from shared_apps.tenants.postgresql.template_ddl import quoted
from shared_apps.tenants.registry import OwnerDetails, clone_rules
from shared_apps.tenants.schemas import owner_transaction
from tenant_apps.users import invitations
from tenant_apps.users.models import Invitation, Role, User
from tenant_apps.workspace.models import Workspace
from tests.isolation.probe.models import Note, Tag
from tests.shared_apps.tenants.conftest import OWNER_PASSWORD, TenantMaker, ThreadRunner

WORDS = {"reason": "a place to try things", "by": "op@example.com"}


@pytest.fixture
def source(make_tenant: TenantMaker, media: Path) -> Tenant:
    """A tenant with rows that refer to each other, people, an invitation, a session and files."""
    tenant: Tenant = make_tenant("initech")
    with context.run_in(tenant), transaction.atomic():
        tag = Tag.objects.create(word="red")
        first = Note.objects.create(text="first")
        second = Note.objects.create(text="second", parent=first)
        Note.objects.filter(pk=first.pk).update(parent=second)  # a circle
        first.tags.add(tag)
        Workspace.objects.update(tagline="We make it work", currency="SEK")
        owner = User.objects.get()
        invitations.invite_person(email="new@example.com", role=Role.objects.first(), by=owner)
        Invitation.objects.update(token_hash="secret-of-a-letter")
        Session.objects.create(
            session_key="secret-session", session_data="x", expire_date=timezone.now()
        )
        default_storage.save("logos/logo.txt", ContentFile(b"logo"))
        default_storage.save("notes.txt", ContentFile(b"notes"))
    return tenant


def clone(source: Tenant, **options: Any) -> Tenant:
    return lifecycle.clone_tenant(
        **{
            "source": source,
            "name": "Copy",
            "subdomain": "copy",
            "with_data": True,
            "request_id": uuid7(),
            **WORDS,
            **options,
        }
    )


def read(name: str) -> bytes:
    """A file of the tenant that is set."""
    with default_storage.open(name) as file:
        content: bytes = file.read()
    return content


def rows_of(tenant: Tenant) -> dict[str, list[Any]]:
    """Every row of every table, as text."""
    rows = {}
    with owner_transaction() as owner:
        for table in table_names(owner, tenant.schema_name):
            name = f"{quoted(tenant.schema_name)}.{quoted(table)}"
            found = owner.execute(f"SELECT t::text FROM {name} AS t ORDER BY 1".encode())
            rows[table] = [row for (row,) in found.fetchall()]
    return rows


def test_copy_has_every_row_and_is_a_tenant_of_its_own(source: Tenant) -> None:
    before = rows_of(source)
    copy = clone(source)
    assert (copy.status, copy.name, copy.subdomain) == (Status.ACTIVE, "Copy", "copy")
    assert copy.uuid != source.uuid
    assert copy.schema_name != source.schema_name
    copied = rows_of(copy)
    special = {*clone_rules().never, *clone_rules().replaced}
    assert {table: rows for table, rows in copied.items() if table not in special} == {
        table: rows for table, rows in before.items() if table not in special
    }
    assert len(copied["probe_note"]) == 2
    assert len(copied["users_user"]) == len(before["users_user"]) == 1
    assert rows_of(source) == before
    with context.run_in(copy):
        workspace = Workspace.objects.get()
    assert (workspace.name, workspace.tagline) == ("Copy", "We make it work")
    change = StatusChange.objects.get(tenant=copy)
    assert (change.after, change.by) == (Status.ACTIVE, "op@example.com")
    assert "initech" in change.reason


def test_copy_equals_its_source_by_name(source: Tenant) -> None:
    copy = clone(source)
    with owner_transaction() as owner:
        found = differences(
            describe_schema(owner, source.schema_name), describe_schema(owner, copy.schema_name)
        )
    assert found == []


def test_copy_has_no_session_token_or_password_of_its_source(source: Tenant) -> None:
    with context.run_in(source):
        password = User.objects.get().password
    copy = clone(source)
    everything = str(rows_of(copy))
    assert "secret-session" in str(rows_of(source))  # there was something to leak
    for secret in ("secret-session", "secret-of-a-letter", password):
        assert secret in str(rows_of(source))
        assert secret not in everything
    assert str(source.uuid) not in everything
    with context.run_in(copy):
        assert not Session.objects.exists()
        assert not Invitation.objects.exists()
        assert not User.objects.get().check_password(OWNER_PASSWORD)
        assert not User.objects.get().has_usable_password()


def test_copy_goes_on_counting_where_its_source_stands(source: Tenant) -> None:
    with context.run_in(source):
        gone = Note.objects.create(text="gone").pk
        Note.objects.filter(pk=gone).delete()
    copy = clone(source)
    with context.run_in(copy):
        assert Note.objects.create(text="new").pk == gone + 1
    with context.run_in(source):
        assert Note.objects.create(text="new").pk == gone + 1


def test_copy_has_files_of_its_own(source: Tenant, media: Path) -> None:
    outside = media.parent / "outside.txt"
    outside.write_text("not a tenant's")
    (media / source.uuid.hex / "link").symlink_to(outside)
    copy = clone(source)
    with context.run_in(copy):
        assert read("logos/logo.txt") == b"logo"
        default_storage.delete("notes.txt")
    with context.run_in(source):
        assert read("notes.txt") == b"notes"
    assert not (media / copy.uuid.hex / "link").exists()


def test_copy_of_a_read_only_tenant_can_be_written(source: Tenant) -> None:
    lifecycle.make_read_only(tenant=source, **WORDS)
    copy = clone(source)
    with context.run_in(copy):
        assert Note.objects.create(text="new").pk


def test_copy_is_of_one_moment(source: Tenant) -> None:
    """Each writing transaction adds a note and a tag; no copy may have one without the other."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        try:
            while not stop.is_set():
                with context.run_in(source), transaction.atomic():
                    Note.objects.create(text=f"n{number}")
                    Tag.objects.create(word=f"w{number}")
                number += 1
        finally:
            connection.close()

    writer = threading.Thread(target=context.carry(write))
    writer.start()
    try:
        for number in range(3):
            copy = clone(source, subdomain=f"copy-{number}")
            with context.run_in(copy):
                assert Note.objects.count() - 2 == Tag.objects.count() - 1
    finally:
        stop.set()
        writer.join()
    with context.run_in(source):
        assert Tag.objects.count() > 1  # it did write meanwhile


def test_copy_without_data_is_new_with_the_settings(source: Tenant, media: Path) -> None:
    copy = clone(source, with_data=False, owner=OwnerDetails(email="head@example.com"))
    with context.run_in(copy):
        workspace = Workspace.objects.get()
        assert workspace.name == "Copy"
        assert (workspace.tagline, workspace.currency) == ("We make it work", "SEK")
        assert [user.email for user in User.objects.all()] == ["head@example.com"]
        assert not Note.objects.exists()
        assert not Invitation.objects.exists()
    assert not (media / copy.uuid.hex).exists()


def test_same_request_gives_the_same_copy(source: Tenant) -> None:
    request_id = uuid7()
    first = clone(source, request_id=request_id)
    assert clone(source, request_id=request_id).pk == first.pk
    assert Tenant.objects.filter(subdomain__startswith="copy").count() == 1
    with pytest.raises(lifecycle.CannotClone, match="used before"):
        clone(source, request_id=request_id, subdomain="other")


@pytest.mark.parametrize("with_data", [True, False])
def test_name_that_is_taken_makes_nothing(source: Tenant, with_data: bool) -> None:
    tenants = Tenant.objects.count()
    with pytest.raises(HostnameTaken):
        clone(source, subdomain="acme", with_data=with_data)
    assert Tenant.objects.count() == tenants
    assert not Cloning.objects.filter(tenant=None, error="").exists()


def test_of_two_copies_with_one_name_one_is_made(
    source: Tenant, in_threads: ThreadRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def noted_name() -> str:
        names.append(new_schema_name())
        return names[-1]

    monkeypatch.setattr(cloning, "new_schema_name", noted_name)
    results = in_threads(lambda _: clone(source), [1, 2])
    made = [result for result in results if isinstance(result, Tenant)]
    assert len(made) == 1, results
    assert any(isinstance(result, HostnameTaken) for result in results), results
    # Asked for by name: roles are the whole server's, those of other databases come and go meanwhile.
    with owner_transaction() as owner:
        left = owner.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%(names)s)"
            " UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = ANY(%(names)s)",
            {"names": names},
        ).fetchall()
    assert left == [(made[0].schema_name,)] * 2


@pytest.mark.parametrize("status", ["provisioning", "erasure_scheduled", "erased"])
def test_tenant_that_is_about_to_end_is_not_cloned(source: Tenant, status: str) -> None:
    Tenant.objects.filter(pk=source.pk).update(status=status)
    with pytest.raises(lifecycle.CannotClone):
        clone(source)
    Tenant.objects.filter(pk=source.pk).update(status="active")


def test_copy_with_data_takes_no_owner(source: Tenant) -> None:
    with pytest.raises(ValueError, match="owner"):
        clone(source, owner=OwnerDetails(email="head@example.com"))


def test_copy_whose_process_was_lost_before_the_files_is_finished(
    source: Tenant, media: Path
) -> None:
    """As a kill after the database's transaction leaves it."""
    from datetime import timedelta

    from shared_apps.tenants.lifecycle import cloning

    wish = Cloning.objects.create(
        source=source, name="Copy", subdomain="copy", with_data=True, **WORDS
    )
    half = cloning._copy_rows(wish)
    assert half.status == Status.PROVISIONING
    assert lifecycle.continue_clonings() == 0  # its process may still be at it
    Cloning.objects.update(began_at=timezone.now() - timedelta(hours=1))

    assert lifecycle.continue_clonings() == 1

    assert Tenant.objects.get(pk=half.pk).status == Status.ACTIVE
    with context.run_in(half):
        assert read("logos/logo.txt") == b"logo"
    assert lifecycle.continue_clonings() == 0
