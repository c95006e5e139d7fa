"""kill -9 of the worker in each step of an erasure: it is gone on with, and nothing is left.

To catch it in a step the test holds the row that the step writes when it is done: what the step does
is done then, and nothing tells of it. That is the worst moment; the process is killed there.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings

from shared_apps.tenants import lifecycle
from shared_apps.tenants.lifecycle.erasing import _STEPS
from shared_apps.tenants.models import Erasure, ErasureStep, Tenant
from tests.isolation.conftest import superuser
from tests.shared_apps.tenants.conftest import (  # noqa: F401 - fixtures
    TenantMaker,
    committed,
    make_tenant,
    media,
)
from tests.shared_apps.tenants.test_lifecycle_erasing import (  # noqa: F401 - the fixture
    cached_keys,
    catalogue_of,
    initech,
    keys_with,
)

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0
WORDS = {"reason": "the customer asked for it", "by": "op@example.com"}


@contextlib.contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that erases."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "TERRACE_TEST_DATABASE": django_settings.DATABASES["default"]["NAME"],
        "TERRACE_TEST_MEDIA": str(django_settings.MEDIA_ROOT),
    }
    command = [sys.executable, "-m", "tests.chaos.erasing_process"]
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=PATIENCE_SECONDS)


@contextlib.contextmanager
def held(connection: psycopg.Connection[Any], erasure: Erasure, step: str) -> Iterator[None]:
    """Whoever writes this step's row waits until the block ends; then it isn't there."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            "INSERT INTO tenants_erasurestep (erasure_id, name, place, result, done_at)"
            " VALUES (%s, %s, 99, '{}', now())",
            [erasure.pk, step],
        )
        yield


def wait_until_somebody_waits(holder: psycopg.Connection[Any]) -> None:
    """For a lock that this connection's backend holds. Asked over another one: a transaction sees one
    snapshot of pg_stat_activity."""
    until = time.monotonic() + PATIENCE_SECONDS
    with superuser() as observer:
        while time.monotonic() < until:
            waiting = observer.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))",
                [holder.info.backend_pid],
            ).fetchone()
            if waiting and waiting[0]:
                return
            time.sleep(0.05)
    pytest.fail("The erasure never came to the step.")


def test_erasure_outlives_a_kill_in_each_step(initech: Tenant, media: Path) -> None:  # noqa: F811
    keys = len(cached_keys(initech))
    lifecycle.schedule_erasure(tenant=initech, after=timedelta(0), **WORDS)
    erasure = Erasure.objects.get()
    with superuser() as connection:
        for place, step in enumerate(_STEPS):
            with held(connection, erasure, step), worker() as process:
                wait_until_somebody_waits(connection)
                process.send_signal(signal.SIGKILL)
                process.wait(timeout=PATIENCE_SECONDS)
            done = list(ErasureStep.objects.values_list("name", flat=True))
            assert done == list(_STEPS)[:place], step
            assert Erasure.objects.get().finished_at is None

    with worker() as process:
        assert process.wait(timeout=PATIENCE_SECONDS) == 0

    assert Erasure.objects.get().finished_at is not None
    assert catalogue_of(initech.schema_name) == (0, 0)
    assert keys_with(initech.uuid.hex) == []
    assert not (media / initech.uuid.hex).exists()
    certificate = lifecycle.certificate_of(initech)
    tables = {table.name: table.rows for table in certificate.tables}
    assert (tables["probe_note"], tables["probe_tag"]) == (3, 1)
    assert certificate.media_files == 2
    assert certificate.redis_keys == keys
    assert certificate.queued_tasks == 3


def test_erasure_killed_between_two_transactions_of_tables(
    initech: Tenant,  # noqa: F811
    media: Path,  # noqa: F811
) -> None:
    """The worker waits for a table that somebody reads, and dies there; some tables are gone."""
    lifecycle.schedule_erasure(tenant=initech, after=timedelta(0), **WORDS)
    name = initech.schema_name
    with superuser() as connection:
        with connection.transaction():
            connection.execute(f"LOCK TABLE {name}.users_role IN ACCESS SHARE MODE".encode())
            with worker() as process:
                wait_until_somebody_waits(connection)
                process.kill()
                process.wait(timeout=PATIENCE_SECONDS)
        left = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'",
            [name],
        ).fetchone()
        assert left is not None
        counted = ErasureStep.objects.get(name="count").result["tables"]
        assert 0 < left[0] < len(counted)

    with worker() as process:
        assert process.wait(timeout=PATIENCE_SECONDS) == 0

    assert catalogue_of(name) == (0, 0)
    assert len(lifecycle.certificate_of(initech).tables) == len(counted)
