"""Read-only, held by PostgreSQL: whatever a process knows, whatever SQL it sends."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import ProgrammingError, connection, transaction
from django.test import Client

from shared_apps.tenants import context, lifecycle, migrating
from shared_apps.tenants.errors import TenantNotActive, TenantReadOnly
from shared_apps.tenants.models import Status, Tenant
from shared_apps.tenants.postgresql.catalogue import describe_schema
from shared_apps.tenants.schemas import grant_rows, owner_transaction
from tenant_apps.users.models import User
from tests.isolation.probe.models import Note
from tests.shared_apps.tenants.conftest import OWNER_PASSWORD, TenantMaker

WORDS = {"reason": "unpaid", "by": "op@example.com"}
WRITES = [
    "INSERT INTO probe_note (text) VALUES ('x')",
    "UPDATE probe_note SET text = 'x'",
    "DELETE FROM probe_note",
    "UPDATE users_user SET full_name = 'x'",
    "UPDATE users_user SET last_login = now(), password = 'x'",
    "DELETE FROM users_user",
    "SELECT * FROM probe_note FOR UPDATE",
    "LOCK TABLE probe_note IN EXCLUSIVE MODE",
    "MERGE INTO probe_note n USING (SELECT 1 AS id) s ON n.id = s.id WHEN NOT MATCHED THEN"
    " INSERT (text) VALUES ('x')",
    "WITH gone AS (DELETE FROM probe_note RETURNING *) SELECT * FROM gone",
    "COPY probe_note (text) FROM STDIN",
]


@pytest.fixture
def initech(make_tenant: TenantMaker) -> Tenant:
    tenant: Tenant = make_tenant()
    with context.run_in(tenant):
        Note.objects.create(text="kept")
    return tenant


def _run(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def _fingerprint(tenant: Tenant) -> str:
    with owner_transaction() as owner:
        return describe_schema(owner, tenant.schema_name).fingerprint


@pytest.mark.parametrize("statement", WRITES)
def test_write_is_refused_to_a_process_that_knows_of_nothing(
    statement: str, initech: Tenant
) -> None:
    stale = initech.ref
    assert stale.status == Status.ACTIVE
    lifecycle.make_read_only(tenant=initech, **WORDS)
    with context.run_in(stale):
        with pytest.raises(ProgrammingError, match="permission denied"):
            _run(statement)
        assert list(Note.objects.values_list("text", flat=True)) == ["kept"]


def test_write_without_a_transaction_is_refused(initech: Tenant) -> None:
    stale = initech.ref
    lifecycle.make_read_only(tenant=initech, **WORDS)
    with context.run_in(stale), pytest.raises(ProgrammingError, match="permission denied"):
        Note.objects.create(text="x")


def test_transaction_that_is_open_writes_no_more(initech: Tenant) -> None:
    with context.run_in(initech), pytest.raises(ProgrammingError, match="permission denied"):
        with transaction.atomic():
            assert Note.objects.count() == 1
            lifecycle.make_read_only(tenant=initech, **WORDS)
            Note.objects.create(text="x")


def test_make_read_only_waits_for_what_was_written_before(initech: Tenant) -> None:
    written, may_end, order = threading.Event(), threading.Event(), []

    def write() -> None:
        try:
            with context.run_in(initech), transaction.atomic():
                Note.objects.create(text="in time")
                written.set()
                may_end.wait(timeout=30)
            order.append("committed")
        finally:
            connection.close()

    writer = threading.Thread(target=context.carry(write))
    writer.start()
    written.wait(timeout=30)
    threading.Timer(0.5, may_end.set).start()
    lifecycle.make_read_only(tenant=initech, **WORDS)
    order.append("returned")
    writer.join()
    assert order == ["committed", "returned"]


def test_activate_tenant_gives_back_the_very_grants(initech: Tenant) -> None:
    before = _fingerprint(initech)
    lifecycle.make_read_only(tenant=initech, **WORDS)
    assert _fingerprint(initech) != before
    assert Tenant.objects.get(pk=initech.pk).read_only_since is not None
    active = lifecycle.activate_tenant(tenant=initech, **WORDS)
    assert active.status == Status.ACTIVE
    assert Tenant.objects.get(pk=initech.pk).read_only_since is None
    assert _fingerprint(initech) == before
    with context.run_in(active):
        assert Note.objects.create(text="again").pk


def test_make_read_only_twice_is_refused(initech: Tenant) -> None:
    lifecycle.make_read_only(tenant=initech, **WORDS)
    with pytest.raises(TenantNotActive, match="read-only"):
        lifecycle.make_read_only(tenant=initech, **WORDS)


def test_read_only_outlives_suspension_and_maintenance(initech: Tenant) -> None:
    lifecycle.make_read_only(tenant=initech, **WORDS)
    lifecycle.suspend_tenant(tenant=initech, **WORDS)
    with context.run_in(initech.ref), pytest.raises(ProgrammingError):
        Note.objects.create(text="x")
    assert lifecycle.resume_tenant(tenant=initech, **WORDS).status == Status.READ_ONLY
    lifecycle.begin_maintenance(tenant=initech, **WORDS)
    assert lifecycle.end_maintenance(tenant=initech, **WORDS).status == Status.READ_ONLY


def test_grants_after_a_migration_leave_it_read_only(initech: Tenant) -> None:
    lifecycle.make_read_only(tenant=initech, **WORDS)
    read_only = _fingerprint(initech)
    with owner_transaction() as owner:
        owner.execute(f"CREATE TABLE {initech.schema_name}.fresh (id int)".encode())
        grant_rows(owner, initech.schema_name)
    with context.run_in(initech.ref):
        with pytest.raises(ProgrammingError, match="permission denied"):
            _run("INSERT INTO fresh VALUES (1)")
        _run("SELECT * FROM fresh")
    with owner_transaction() as owner:
        owner.execute(f"DROP TABLE {initech.schema_name}.fresh".encode())
    assert _fingerprint(initech) == read_only


def test_new_table_of_a_migration_is_read_only_before_any_grant(initech: Tenant) -> None:
    lifecycle.make_read_only(tenant=initech, **WORDS)
    with owner_transaction() as owner:
        owner.execute(f"CREATE TABLE {initech.schema_name}.fresh (id int)".encode())
    with context.run_in(initech.ref):
        _run("SELECT * FROM fresh")
        with pytest.raises(ProgrammingError, match="permission denied"):
            _run("INSERT INTO fresh VALUES (1)")


def test_migration_brings_a_read_only_tenant_along(initech: Tenant) -> None:
    lifecycle.make_read_only(tenant=initech, **WORDS)
    assert initech.schema_name not in migrating.schemas_behind()


# --- What people see -------------------------------------------------------------------------------


def _client(tenant: Tenant) -> Client:
    return Client(headers={"host": tenant.primary_hostname})


def _log_in(client: Client) -> None:
    answer = client.post(
        "/account/login/", {"login": "owner@initech.example", "password": OWNER_PASSWORD}
    )
    assert answer.status_code == 302, answer.content.decode()


def test_reader_logs_in_and_out(initech: Tenant) -> None:
    lifecycle.make_read_only(tenant=initech, **WORDS)
    client = _client(initech)
    _log_in(client)
    assert client.get("/account/").status_code == 200
    with context.run_in(initech):
        assert User.objects.get().last_login is not None
    assert client.post("/account/logout/").status_code == 302
    assert client.get("/account/").status_code == 302


def test_write_of_a_page_is_answered_by_the_read_only_page(initech: Tenant) -> None:
    client = _client(initech)
    _log_in(client)
    lifecycle.make_read_only(tenant=initech, **WORDS)
    page = client.post("/account/", {"full_name": "Somebody Else"})
    assert page.status_code == 403
    assert "Nothing was changed" in page.content.decode()
    answer = client.post(
        "/account/", {"full_name": "Somebody Else"}, headers={"accept": "application/json"}
    )
    assert (answer.status_code, answer.json()["workspace_status"]) == (403, "read_only")
    with context.run_in(initech):
        assert User.objects.get().full_name == "Ina Owner"


def test_write_through_the_api_is_answered_in_json(initech: Tenant) -> None:
    client = _client(initech)
    _log_in(client)
    lifecycle.make_read_only(tenant=initech, **WORDS)
    # With a key, which is written down before the work begins.
    for headers in ({}, {"Idempotency-Key": "k"}):
        answer = client.post(
            "/api/v1/articles/",
            {"title": "New", "body": "Text"},
            content_type="application/json",
            headers=headers,
        )
        assert (answer.status_code, answer.json()["workspace_status"]) == (403, "read_only")


def test_process_that_knows_of_nothing_answers_the_same(initech: Tenant, settings: Any) -> None:
    client = _client(initech)
    _log_in(client)
    settings.TERRACE_HOST_CACHE_SECONDS = 3600.0
    assert client.get("/account/").status_code == 200
    # As another process would: without a bump of the version here.
    from shared_apps.domains import resolution

    known = resolution.known_in_process(initech.primary_hostname)
    assert known[0]
    lifecycle.make_read_only(tenant=initech, **WORDS)
    resolution._process_cache.confirm(1)
    resolution._process_cache.put(initech.primary_hostname, known[1], version=1)

    page = client.post("/account/", {"full_name": "Somebody Else"})

    assert page.status_code == 403
    assert "read-only" in page.content.decode()


def test_refused_statement_of_a_writable_tenant_stays_an_error(initech: Tenant) -> None:
    from shared_apps.tenants.read_only import is_refused_write

    with context.run_in(initech):
        with pytest.raises(ProgrammingError) as refused:
            _run("DELETE FROM django_migrations")
    assert not is_refused_write(refused.value, initech.ref)


def test_files_stay_as_they_are(initech: Tenant, media: Any) -> None:
    with context.run_in(initech):
        name = default_storage.save("a.txt", ContentFile(b"old"))
    with context.run_in(replace(initech.ref, status="read_only")):
        with pytest.raises(TenantReadOnly):
            default_storage.save("b.txt", ContentFile(b"new"))
        with pytest.raises(TenantReadOnly):
            default_storage.delete(name)
        with default_storage.open(name) as file:
            assert file.read() == b"old"
