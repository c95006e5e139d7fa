"""The end of a tenant, and what is written down of it."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from shared_apps.domains.models import Domain
from shared_apps.domains.names import HostnameTaken
from shared_apps.front_door.models import HandOff, SignUp
from shared_apps.tenants import context, handoff, lifecycle, migrating
from shared_apps.tenants.errors import TenantNotActive, TenantNotFound
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.lifecycle import erasing
from shared_apps.tenants.models import Erasure, Provisioning, Status, StatusChange, Tenant
from shared_apps.tenants.postgresql.catalogue import table_names
from shared_apps.tenants.provisioning import provision_tenant
from shared_apps.tenants.schemas import owner_transaction
from tests.isolation.conftest import superuser
from tests.isolation.probe.models import Note, Tag
from tests.shared_apps.tenants.conftest import TenantMaker, ThreadRunner
from tests.shared_apps.tenants.tasks.sample_tasks import tell

WORDS = {"reason": "the customer asked for it", "by": "op@example.com"}


@pytest.fixture
def initech(make_tenant: TenantMaker, media: Path) -> Tenant:
    """A tenant with something of everything."""
    tenant: Tenant = make_tenant("initech")
    with context.run_in(tenant):
        for number in range(3):
            Note.objects.create(text=f"note {number}")
        Tag.objects.create(word="red")
        cache.set("one", "1")
        cache.set("two", "2")
        default_storage.save("logos/logo.txt", ContentFile(b"12345"))
        default_storage.save("b.txt", ContentFile(b"678"))
        for _ in range(3):
            tell.delay("x")
    return tenant


def keys_with(text: str) -> list[bytes]:
    """All keys of Redis whose name, or whose content, has this in it."""
    found = []
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        for key in client.scan_iter(count=1000):
            content = b""
            kind = client.type(key)
            if kind == b"list":
                content = b"".join(client.lrange(key, 0, -1))
            elif kind == b"set":
                content = b"".join(client.smembers(key))
            elif kind == b"hash":
                content = b"".join(client.hvals(key))
            if text.encode() in key + content:
                found.append(key)
    return found


def cached_keys(tenant: Tenant) -> list[bytes]:
    """The tenant's part of the cache."""
    prefix = f"terrace:{tenant.uuid.hex}:".encode()
    return [key for key in keys_with(tenant.uuid.hex) if key.startswith(prefix)]


def catalogue_of(name: str) -> tuple[int, int]:
    """Schemas and roles of this name."""
    with superuser() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = %s),"
            " (SELECT count(*) FROM pg_roles WHERE rolname = %s)",
            [name, name],
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def erase(tenant: Tenant, **options: Any) -> Erasure:
    return lifecycle.erase_tenant(tenant=tenant, **{"force": True, **WORDS, **options})


def test_nothing_of_it_is_left(initech: Tenant, media: Path) -> None:
    assert catalogue_of(initech.schema_name) == (1, 1)
    assert keys_with(initech.uuid.hex)

    erase(initech)

    assert catalogue_of(initech.schema_name) == (0, 0)
    assert keys_with(initech.uuid.hex) == []
    assert not (media / initech.uuid.hex).exists()
    assert Tenant.objects.get(pk=initech.pk).status == Status.ERASED
    assert migrating.schemas_behind() == []
    change = StatusChange.objects.filter(tenant=initech).first()
    assert change is not None
    assert (change.after, change.by, change.reason) == (
        Status.ERASED,
        WORDS["by"],
        WORDS["reason"],
    )


def test_certificate_equals_a_count_taken_before(initech: Tenant) -> None:
    with superuser() as owner:
        tables = table_names(owner, initech.schema_name)
        counts = {}
        for table in tables:
            name = f"{initech.schema_name}.{table}"
            row = owner.execute(
                f"SELECT count(*), pg_total_relation_size('{name}') FROM {name}".encode()
            ).fetchone()
            assert row is not None
            counts[table] = (row[0], row[1])
        relations = owner.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace",
            [initech.schema_name],
        ).fetchone()
    keys = len(cached_keys(initech))

    erase(initech)

    certificate = lifecycle.certificate_of(initech)
    assert {table.name: (table.rows, table.bytes) for table in certificate.tables} == counts
    assert counts["probe_note"][0] == 3
    assert relations == (certificate.relations,)
    assert certificate.database_bytes == sum(size for _, size in counts.values())
    assert (certificate.media_files, certificate.media_bytes) == (2, 8)
    assert certificate.redis_keys == keys == 2
    assert certificate.queued_tasks == 3
    assert (certificate.reason, certificate.by) == (WORDS["reason"], WORDS["by"])
    assert certificate.tenant_uuid == str(initech.uuid)
    assert certificate.names_kept == ["initech.localhost"]


def test_certificate_says_when_the_last_backup_ends(initech: Tenant, settings: Any) -> None:
    settings.TERRACE_BACKUP_RETENTION_DAYS = 11
    erasure = erase(initech)
    certificate = lifecycle.certificate_of(initech)
    assert erasure.finished_at is not None
    until = erasure.finished_at + timedelta(days=11)
    assert certificate.backups_expire_at == until.isoformat()
    text = certificate.as_text()
    assert f"is deleted by {until:%Y-%m-%d %H:%M:%S} UTC" in text
    assert "probe_note" in text
    assert certificate.as_json()["tables"][0]["name"]


def test_no_certificate_before_the_end(initech: Tenant) -> None:
    with pytest.raises(lifecycle.NoCertificate):
        lifecycle.certificate_of(initech)


def test_traces_in_the_public_schema_go_and_the_names_stay(initech: Tenant) -> None:
    handoff.issue_hand_off(initech.ref, uuid7())
    wish = Provisioning.objects.get(tenant=initech)
    SignUp.objects.create(email="owner@initech.example", request_id=wish.request_id)
    SignUp.objects.create(email="owner@globex.example")
    Domain(tenant=initech, domain="shop.initech.example", is_primary=False).save()
    lifecycle.rename_subdomain(tenant=initech, subdomain="hooli", **WORDS)
    try:
        erase(initech)

        assert not HandOff.objects.filter(tenant=initech).exists()
        assert [sign_up.email for sign_up in SignUp.objects.all()] == ["owner@globex.example"]
        assert Provisioning.objects.get(pk=wish.pk).owner_email == ""
        certificate = lifecycle.certificate_of(initech)
        assert certificate.domains_deleted == ["shop.initech.example"]
        assert certificate.names_kept == ["hooli.localhost", "initech.localhost"]
        assert certificate.public_rows["front_door_handoff"] == 1
        for name in ("initech", "hooli"):
            with pytest.raises(HostnameTaken):
                provision_tenant(name="New", subdomain=name, owner=None, request_id=uuid7())
    finally:
        SignUp.objects.all().delete()


def test_tables_go_in_transactions_of_few_locks(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "LOCKS_A_TRANSACTION", 30)
    erasure = erase(initech)
    result = erasure.steps.get(name="tables").result
    assert result["transactions"] > 3
    assert result["most_locks"] <= 30


# --- When it may be done ---------------------------------------------------------------------------


def test_tenant_in_use_is_not_erased(initech: Tenant) -> None:
    with pytest.raises(lifecycle.NotDueYet, match="Archive it first"):
        erase(initech, force=False)
    assert catalogue_of(initech.schema_name) == (1, 1)
    assert not Erasure.objects.exists()


def test_archived_tenant_is_erased_without_force(initech: Tenant) -> None:
    lifecycle.archive_tenant(tenant=initech, **WORDS)
    assert erase(initech, force=False).finished_at is not None


def test_scheduled_tenant_is_erased_when_its_day_has_come(initech: Tenant) -> None:
    lifecycle.schedule_erasure(tenant=initech, **WORDS)
    with pytest.raises(lifecycle.NotDueYet):
        erase(initech, force=False)
    assert lifecycle.continue_erasures() == 0
    assert catalogue_of(initech.schema_name) == (1, 1)
    Erasure.objects.update(due_at=timezone.now())

    assert lifecycle.continue_erasures() == 1

    assert catalogue_of(initech.schema_name) == (0, 0)
    certificate = lifecycle.certificate_of(initech)
    assert (certificate.reason, certificate.by) == (WORDS["reason"], WORDS["by"])
    assert lifecycle.continue_erasures() == 0


def test_cancelled_erasure_is_not_done(initech: Tenant) -> None:
    lifecycle.schedule_erasure(tenant=initech, after=timedelta(0), **WORDS)
    lifecycle.cancel_erasure(tenant=initech, **WORDS)
    assert lifecycle.continue_erasures() == 0
    assert catalogue_of(initech.schema_name) == (1, 1)


def test_erasure_that_has_begun_is_not_cancelled(initech: Tenant) -> None:
    lifecycle.schedule_erasure(tenant=initech, after=timedelta(0), **WORDS)
    lifecycle.continue_erasures()
    with pytest.raises(TenantNotActive, match="erased"):
        lifecycle.cancel_erasure(tenant=initech, **WORDS)


def test_erasing_twice_gives_the_same_certificate(initech: Tenant) -> None:
    first = erase(initech)
    again = erase(initech, reason="again")
    assert again.pk == first.pk
    assert again.certificate == first.certificate


# --- What stands in the way ------------------------------------------------------------------------


def test_process_that_knows_of_nothing_gets_in_no_more(initech: Tenant) -> None:
    stale = initech.ref
    erase(initech)
    with context.run_in(stale), pytest.raises(TenantNotFound):
        Note.objects.count()


def test_open_transaction_is_waited_for(initech: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "_PATIENCE", timedelta(milliseconds=200))
    wrote, may_end = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with context.run_in(initech), transaction.atomic():
                Note.objects.create(text="late")
                wrote.set()
                may_end.wait(timeout=30)
        finally:
            connection.close()

    writer = threading.Thread(target=context.carry(write))
    writer.start()
    wrote.wait(timeout=30)
    with pytest.raises(lifecycle.ErasureBlocked, match="still open"):
        erase(initech)
    assert "still open" in Erasure.objects.get().error
    may_end.set()
    writer.join()

    assert lifecycle.continue_erasures() == 1

    tables = {table.name: table.rows for table in lifecycle.certificate_of(initech).tables}
    assert tables["probe_note"] == 4  # what was committed late was counted
    assert Erasure.objects.get().error == ""


def test_view_of_somebody_else_is_named_and_not_dropped(initech: Tenant) -> None:
    with owner_transaction() as owner:
        owner.execute(
            f"CREATE VIEW public.report AS SELECT * FROM {initech.schema_name}.probe_note".encode()
        )
    try:
        with pytest.raises(lifecycle.ErasureBlocked, match="report"):
            erase(initech)
        with owner_transaction() as owner:
            assert owner.execute("SELECT count(*) FROM public.report").fetchone() == (3,)
    finally:
        with owner_transaction() as owner:
            owner.execute("DROP VIEW public.report")
    assert lifecycle.continue_erasures() == 1
    assert catalogue_of(initech.schema_name) == (0, 0)


def test_what_somebody_made_by_hand_goes_too(initech: Tenant) -> None:
    name = initech.schema_name
    with owner_transaction() as owner:
        for statement in (
            f"CREATE VIEW {name}.v AS SELECT * FROM {name}.probe_note",
            f"CREATE SEQUENCE {name}.s",
            f"CREATE TABLE {name}.a (id int PRIMARY KEY, b int)",
            f"CREATE TABLE {name}.b (id int PRIMARY KEY, a int REFERENCES {name}.a)",
            f"ALTER TABLE {name}.a ADD FOREIGN KEY (b) REFERENCES {name}.b",
            f"CREATE TYPE {name}.mood AS ENUM ('good')",
            f"GRANT SELECT ON public.tenants_tenant TO {name}",
        ):
            owner.execute(statement.encode())
    erase(initech)
    assert catalogue_of(name) == (0, 0)


def test_of_two_at_once_one_works(initech: Tenant, in_threads: ThreadRunner) -> None:
    results = in_threads(lambda _: erase(initech), [1, 2, 3])
    done = [result for result in results if isinstance(result, Erasure)]
    assert done, results
    assert all(isinstance(result, Erasure | lifecycle.ErasureUnderWay) for result in results), (
        results
    )
    assert len({erasure.pk for erasure in done}) == 1
    assert catalogue_of(initech.schema_name) == (0, 0)


def test_what_came_back_is_removed_before_the_certificate(initech: Tenant, media: Path) -> None:
    """A file that a process wrote after its folder was removed."""
    erasure = erase(initech)
    Erasure.objects.filter(pk=erasure.pk).update(finished_at=None, certificate=None)
    (media / initech.uuid.hex).mkdir()
    (media / initech.uuid.hex / "late.txt").write_text("late")
    with pytest.raises(lifecycle.ErasureIncomplete, match="files"):
        erase(initech)
    assert lifecycle.continue_erasures() == 1
    assert not (media / initech.uuid.hex).exists()


def test_redis_that_is_gone_stops_the_erasure(
    initech: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.cache import caches

    dead = {**django_settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    monkeypatch.setitem(django_settings.CACHES, "default", dead)
    alive = caches["default"]
    del caches["default"]
    caches.settings = caches.configure_settings(None)
    try:
        with pytest.raises(redis.ConnectionError):
            erase(initech)
    finally:
        monkeypatch.undo()
        caches.settings = caches.configure_settings(None)
        caches["default"] = alive
    assert catalogue_of(initech.schema_name) == (1, 1)  # it is not even counted
    assert lifecycle.continue_erasures() == 1
