"""A run over a fleet in which things go wrong: named, left whole, resumed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from shared_apps.tenants import migrating, provisioning
from shared_apps.tenants.fleet import workers
from shared_apps.tenants.fleet.detection import applied_hashes
from shared_apps.tenants.fleet.plans import Target
from shared_apps.tenants.fleet.runs import Rules, RunResult, fleet_alone, run_fleet
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import FleetMigration, FleetRun, FleetState, Tenant
from shared_apps.tenants.postgresql.catalogue import describe_schema
from shared_apps.tenants.schemas import owner_transaction

pytestmark = pytest.mark.usefixtures("committed")
ROOT = Path(__file__).resolve().parents[4]
BEFORE, AFTER = "0007_alter_fields", "0008_constraints_and_many"
RELEASE = "test"


@pytest.fixture
def fleet() -> Iterator[list[Tenant]]:
    """Six tenants before the constraints came."""
    tenants = [
        provisioning.provision_tenant(name=name, subdomain=name, owner=None, request_id=uuid7())
        for name in ("alfa", "bravo", "charlie", "delta", "echo", "foxtrot")
    ]
    for tenant in tenants:
        migrating.migrate_schema(tenant.schema_name, Target("specimen", BEFORE))
    yield tenants
    FleetRun.objects.all().delete()


def _run(tenants: list[Tenant], name: str = AFTER, **rules: object) -> RunResult:
    only = [tenant.schema_name for tenant in tenants]
    with fleet_alone():
        return run_fleet(
            target=Target("specimen", name),
            release=RELEASE,
            rules=Rules(only=only, processes=2, **{"lock_timeout_ms": 200, **rules}),  # type: ignore[arg-type]
        )


def _sql(tenant: Tenant, statement: str) -> None:
    with owner_transaction() as owner:
        owner.execute(f"SET LOCAL search_path = {tenant.schema_name}")
        owner.execute(statement.encode())


def _structures(tenants: list[Tenant]) -> list[dict[str, str]]:
    with owner_transaction() as owner:
        return [dict(describe_schema(owner, t.schema_name).structure) for t in tenants]


def _ledger(state: str) -> set[str]:
    return set(FleetMigration.objects.filter(state=state).values_list("schema_name", flat=True))


def test_three_broken_tenants_are_named_and_the_others_done(fleet: list[Tenant]) -> None:
    locked, missing, bad, *others = fleet
    _sql(missing, "ALTER TABLE specimen_book RENAME TO specimen_lost")
    _sql(
        bad,
        "INSERT INTO specimen_shelf (id, name) VALUES (1, 'one');"
        "INSERT INTO specimen_book (heading, pages, colour, year, ticket, shelf_id)"
        " VALUES ('x', -5, '', 1, gen_random_uuid(), 1)",
    )
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"], dbname=_database()) as holder:
        holder.execute(f"LOCK TABLE {locked.schema_name}.specimen_book IN ACCESS SHARE MODE")
        result = _run(fleet)
    assert sorted(result.done) == sorted(tenant.schema_name for tenant in others)
    assert "lock timeout" in result.failed[locked.schema_name]
    assert "does not exist" in result.failed[missing.schema_name]
    assert "specimen_pages_not_negative" in result.failed[bad.schema_name]
    assert _ledger(FleetState.FAILED) == {t.schema_name for t in (locked, missing, bad)}
    assert _ledger(FleetState.DONE) == {t.schema_name for t in others}
    assert "column specimen_tag.word" not in _structures([bad])[0]

    _sql(missing, "ALTER TABLE specimen_lost RENAME TO specimen_book")
    _sql(bad, "UPDATE specimen_book SET pages = 5")
    result = _run(fleet)
    assert sorted(result.done) == sorted(t.schema_name for t in (locked, missing, bad))
    assert result.failed == {}
    assert _ledger(FleetState.DONE) == {tenant.schema_name for tenant in fleet}
    structures = _structures(fleet)
    assert all(structure == structures[0] for structure in structures)
    attempts = dict(FleetMigration.objects.values_list("schema_name", "attempts"))
    assert attempts[locked.schema_name] == workers.MAX_ATTEMPTS + 1
    assert attempts[others[0].schema_name] == 1


def test_lock_that_is_given_back_in_time_costs_a_try_alone(fleet: list[Tenant]) -> None:
    held = fleet[3]
    holder = psycopg.connect(os.environ["DATABASE_ADMIN_URL"], dbname=_database())
    holder.execute(f"LOCK TABLE {held.schema_name}.specimen_book IN ACCESS SHARE MODE")
    timer = threading.Timer(1.2, holder.close)
    timer.start()
    result = _run(fleet, lock_timeout_ms=300)
    timer.join()
    assert result.failed == {}
    assert FleetMigration.objects.get(schema_name=held.schema_name).attempts > 1


def test_run_stops_after_so_many_failures(fleet: list[Tenant]) -> None:
    for tenant in fleet[1:]:
        _sql(tenant, "ALTER TABLE specimen_book ADD CONSTRAINT specimen_once_a_shelf CHECK (true)")
    result = _run(fleet, max_failures=2)
    assert len(result.failed) == 2
    assert result.stopped_because == "2 schemas failed, and the run stops at 2."
    assert len(result.done) + len(result.failed) + len(result.left) == len(fleet)
    assert result.left


def test_chosen_canary_that_fails_stops_before_anybody_else(fleet: list[Tenant]) -> None:
    bad = fleet[4]
    _sql(bad, "DROP TABLE specimen_book")
    result = _run(fleet, canaries=["echo"])
    assert list(result.failed) == [bad.schema_name]
    assert result.done == []
    assert result.stopped_because.startswith("The canary echo failed: ProgrammingError")
    run = FleetRun.objects.get()
    assert (run.done, run.failed, run.planned) == (0, 1, 6)
    assert run.finished_at is not None


def test_chosen_canary_is_the_first(fleet: list[Tenant]) -> None:
    assert _run(fleet, canaries=["delta"]).failed == {}
    first = FleetMigration.objects.order_by("finished_at").first()
    assert first is not None
    assert FleetMigration.objects.get(schema_name=fleet[3].schema_name).is_canary


def test_drifted_tenant_has_a_canary_of_its_own(fleet: list[Tenant]) -> None:
    """Its constraint has another name, so that the others' record would not fit."""
    drifted = fleet[2]
    migrating.migrate_schema(drifted.schema_name, Target("specimen", AFTER))
    for tenant in fleet:
        if tenant != drifted:
            assert _run([tenant]).failed == {}
    _sql(drifted, "ALTER TABLE specimen_book RENAME CONSTRAINT specimen_once_a_shelf TO other")
    _sql(drifted, "ALTER TABLE specimen_book RENAME COLUMN colour TO colour_of")
    _sql(drifted, "ALTER TABLE specimen_book RENAME COLUMN colour_of TO colour")
    result = _run(fleet, BEFORE)
    assert list(result.failed) == [drifted.schema_name]
    assert "specimen_once_a_shelf" in result.failed[drifted.schema_name]
    assert len(result.done) == 5


def test_invalid_index_of_a_try_that_was_cut_short_goes_first(fleet: list[Tenant]) -> None:
    for tenant in fleet:
        migrating.migrate_schema(tenant.schema_name, Target("specimen", "0005_run_sql"))
    broken = fleet[1:3]
    for tenant in broken:
        _sql(
            tenant,
            "CREATE INDEX specimen_year_pages ON specimen_book (year, pages);"
            "ALTER TABLE specimen_book ADD COLUMN stray integer",
        )
        with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"], dbname=_database()) as root:
            root.execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
                [f"{tenant.schema_name}.specimen_year_pages"],
            )
    # What a killed run had noted: the first statement was done.
    run = FleetRun.objects.create(release=RELEASE, target="specimen")
    for tenant in broken:
        FleetMigration.objects.create(
            run=run,
            schema_name=tenant.schema_name,
            release=RELEASE,
            half_done={"statements": [["specimen", "0006_not_atomic", 1]]},
        )
    assert _run(fleet, "0006_not_atomic").failed == {}
    structures = _structures(fleet)
    assert all(structure == structures[0] for structure in structures)
    assert "INVALID" not in structures[1]["index specimen_year_pages"]
    assert [row.half_done for row in FleetMigration.objects.all()] == [{}] * len(fleet)


@pytest.mark.chaos
def test_killed_run_is_resumed_none_twice_none_half(fleet: list[Tenant]) -> None:
    """The whole process is killed while a tenant waits for a lock, with others done.

    What PostgreSQL has received by then it does to the end, in one transaction.
    """
    held = fleet[2]
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"], dbname=_database()) as holder:
        holder.execute(f"LOCK TABLE {held.schema_name}.specimen_book IN ACCESS SHARE MODE")
        process = _start_run(fleet)
        _wait_until(lambda: len(_behind(fleet)) == 4 and _waits_for_a_lock())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # The dead process' backends may still be at it.
    _wait_until(lambda: not _busy_backends())
    behind = _behind(fleet)
    assert set(behind) >= {tenant.schema_name for tenant in fleet[3:]}
    assert len(behind) < len(fleet) - 1
    assert _ledger(FleetState.PENDING)
    result = _run(fleet)
    assert result.failed == {}
    assert sorted(result.done) == sorted(behind)
    structures = _structures(fleet)
    assert all(structure == structures[0] for structure in structures)
    for tenant in fleet:
        with owner_transaction() as owner:
            found = owner.execute(
                f"SELECT count(*) FROM {tenant.schema_name}.django_migrations"
                f" WHERE app = 'specimen' AND name = '{AFTER}'".encode()
            )
            assert found.fetchone() == (1,)


@pytest.mark.chaos
def test_killed_process_costs_its_schema_a_try(
    fleet: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared_apps.tenants.fleet import runs

    original = runs.migrate_like_canary
    marker = Path(os.environ["TERRACE_DATA_DIR"]) / f"killed-{uuid7()}"

    def kill_once(schema_name: str, *args: object, **kwargs: object) -> None:
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        original(schema_name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(runs, "migrate_like_canary", kill_once)
    result = _run(fleet, sample=0)
    assert result.failed == {}
    assert max(FleetMigration.objects.values_list("attempts", flat=True)) == 2


def test_data_migration_reads_through_the_owner_alone(fleet: list[Tenant]) -> None:
    """`Model.objects` without `using` sees what the same transaction has changed before."""
    assert _run(fleet, "0015_python_and_tables").failed == {}


def test_command_ends_with_a_table_of_who_failed(fleet: list[Tenant]) -> None:
    _sql(fleet[0], "DROP TABLE specimen_book")
    with pytest.raises(CommandError) as failed:
        call_command("migrate", "specimen", AFTER, verbosity=0, tenant=["alfa", "bravo"])
    words = str(failed.value)
    assert "1 schema(s) could not be migrated" in words
    assert "alfa" in words
    assert "bravo" not in words
    call_command("migrate", verbosity=0, tenant=["bravo"])


def test_missing_tenant_is_named_by_the_ledger(fleet: list[Tenant]) -> None:
    with owner_transaction() as owner:
        owner.execute(f"DROP SCHEMA {fleet[0].schema_name} CASCADE".encode())
    result = _run(fleet)
    assert "There is no schema" in result.failed[fleet[0].schema_name]
    assert len(result.done) == 5


def test_nothing_to_do_makes_no_run(fleet: list[Tenant]) -> None:
    assert _run(fleet).failed == {}
    FleetRun.objects.all().delete()
    assert _run(fleet).done == []
    assert not FleetRun.objects.exists()


def _database() -> str:
    return str(settings.DATABASES["owner"]["NAME"])


def _behind(tenants: list[Tenant]) -> list[str]:
    hashes = applied_hashes([tenant.schema_name for tenant in tenants])
    marked = []
    for name in hashes:
        with owner_transaction() as owner:
            found = owner.execute(
                f"SELECT FROM {name}.django_migrations WHERE name = '{AFTER}'".encode()
            )
            if not found.rowcount:
                marked.append(name)
    return marked


def _busy_backends() -> int:
    with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"], dbname=_database()) as root:
        row = root.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'terrace_owner'"
            " AND datname = current_database() AND state <> 'idle'"
        ).fetchone()
    return int(row[0]) if row else 0


def _waits_for_a_lock() -> bool:
    with psycopg.connect(os.environ["DATABASE_SUPERUSER_URL"], dbname=_database()) as root:
        row = root.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return bool(row and row[0])


def _start_run(tenants: list[Tenant]) -> subprocess.Popen[bytes]:
    """The same run in a process group of its own."""
    only = [tenant.schema_name for tenant in tenants]
    program = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from django.db import connections\n"
        "for alias in connections:\n"
        f"    connections[alias].settings_dict['NAME'] = {_database()!r}\n"
        "from shared_apps.tenants.fleet.plans import Target\n"
        "from shared_apps.tenants.fleet.runs import Rules, fleet_alone, run_fleet\n"
        "with fleet_alone():\n"
        f"    run_fleet(target=Target('specimen', {AFTER!r}), release={RELEASE!r},\n"
        f"              rules=Rules(only={only!r}, processes=1, sample=0, lock_timeout_ms=60000))\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, start_new_session=True
    )


def _wait_until(look: object, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if look():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError("Waited in vain.")
