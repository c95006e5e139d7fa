"""Leak list 12: both kinds of pool, and PgBouncer in both modes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.isolation.conftest import Cast
from tests.isolation.pooler import Pooler, run_pgbouncer
from tests.services import FIGURE

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = 8
READS = 10_000
# Fewer than the threads, so that they share.
SERVERS = 3

# The server itself, without a pooler.
DIRECT = ""

Read = Callable[..., dict[str, Any]]
Figure = Callable[[str, str, dict[str, Any]], None]


@pytest.fixture
def read(planted: Cast) -> Read:
    """Run a reader in a process of its own, and give what it counted."""

    def run(module: str, url: str, *, reads: int, **environment: str) -> dict[str, Any]:
        tenants = [{**asdict(tenant), "uuid": str(tenant.uuid)} for tenant in planted.values()]
        finished = subprocess.run(
            [
                sys.executable,
                "-m",
                f"tests.isolation.{module}",
                f"--threads={THREADS}",
                f"--reads={reads}",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": url or os.environ["DATABASE_URL"],
                "TERRACE_TEST_DATABASE": "" if url else settings.DATABASES["default"]["NAME"],
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
                "TERRACE_TEST_TENANTS": json.dumps(tenants),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert finished.returncode == 0, finished.stderr
        answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        return answer

    return run


@pytest.fixture(params=["transaction", "session"])
def pooler(request: pytest.FixtureRequest, planted: Cast) -> Iterator[Pooler]:
    """PgBouncer, in each of its modes."""
    servers = SERVERS if request.param == "transaction" else THREADS
    name = settings.DATABASES["default"]["NAME"]
    with run_pgbouncer(database=name, mode=request.param, servers=servers) as started:
        yield started


@pytest.fixture
def transaction_pooler(planted: Cast) -> Iterator[Pooler]:
    """PgBouncer in transaction mode."""
    name = settings.DATABASES["default"]["NAME"]
    with run_pgbouncer(database=name, mode="transaction", servers=SERVERS) as started:
        yield started


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Keep what was counted in the report of the run (tests/services.py prints it at the end)."""

    def keep(where: str, whose: str, seen: dict[str, Any]) -> None:
        record_property(
            FIGURE,
            f"{where}, {THREADS} threads: {whose} read {seen['wrong']:,} wrong of {seen['reads']:,}",
        )

    return keep


def _assert_all_right(seen: dict[str, Any], reads: int) -> None:
    assert seen["errors"] == {}
    assert seen["reads"] == reads
    assert seen["wrong"] == 0


@pytest.mark.pooler
@pytest.mark.slow
def test_pgbouncer_gives_each_tenant_its_own_rows(
    read: Read, pooler: Pooler, request: pytest.FixtureRequest, figure: Figure
) -> None:
    mode = request.node.callspec.params["pooler"]
    seen = read("reader", pooler.app, reads=READS)
    figure(f"PgBouncer, {mode} mode", "Terrace", seen)
    _assert_all_right(seen, READS)


@pytest.mark.pooler
@pytest.mark.slow
def test_pgbouncer_with_stock_django_tenants_reads_wrong_rows(
    read: Read, transaction_pooler: Pooler, figure: Figure
) -> None:
    """The control, with as many threads and reads: if stock were right here, the test above would
    show nothing."""
    seen = read("stock_reader", transaction_pooler.owner, reads=READS)
    figure("PgBouncer, transaction mode", "stock django-tenants", seen)
    assert seen["errors"] == {}
    assert seen["reads"] == READS
    assert seen["wrong"] > 0


@pytest.mark.pooler
@pytest.mark.slow
def test_pgbouncer_behind_a_native_pool(read: Read, transaction_pooler: Pooler) -> None:
    seen = read("reader", transaction_pooler.app, reads=2_000, TERRACE_POOL_SIZE=str(THREADS))
    _assert_all_right(seen, 2_000)


def test_persistent_connections_give_each_tenant_its_own_rows(read: Read) -> None:
    seen = read("reader", DIRECT, reads=2_000, TERRACE_CONN_MAX_AGE="600")
    _assert_all_right(seen, 2_000)


def test_native_pool_gives_each_tenant_its_own_rows(read: Read) -> None:
    seen = read("reader", DIRECT, reads=2_000, TERRACE_POOL_SIZE=str(THREADS))
    _assert_all_right(seen, 2_000)
    assert seen["servers"] <= THREADS


def test_backends_are_recycled_by_tenants_touched(read: Read) -> None:
    """A backend keeps every table that it has seen in memory; two tenants are too many here."""
    seen = read(
        "reader",
        DIRECT,
        reads=400,
        TERRACE_CONN_MAX_AGE="600",
        TERRACE_TENANTS_PER_BACKEND="2",
    )
    _assert_all_right(seen, 400)
    assert seen["servers"] > 3 * THREADS
