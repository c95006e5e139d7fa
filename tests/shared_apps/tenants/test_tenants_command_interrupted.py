"""An operator presses Ctrl-C: real processes, a real SIGINT while PostgreSQL lets them wait."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.conf import settings as django_settings

from shared_apps.tenants import context, lifecycle
from shared_apps.tenants.models import Preview, Status, Tenant
from tests.isolation.conftest import superuser
from tests.isolation.probe.models import Note
from tests.shared_apps.tenants.conftest import TenantMaker

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 60.0
WHY = "--reason=they asked"


@dataclass
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    text: str


class Operator:
    """Somebody at a terminal, with backups and files in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.isolation.careless_settings",
            "TERRACE_TEST_DATABASE": django_settings.DATABASES["default"]["NAME"],
            "TERRACE_DATA_DIR": str(folder),
            "COLUMNS": "200",
        }

    def type(self, *words: str) -> subprocess.Popen[str]:
        """Begin `manage.py tenants …`."""
        return subprocess.Popen(
            [sys.executable, "manage.py", "tenants", *words],
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> Ended:
        """The same to its end."""
        process = self.type(*words)
        text, _ = process.communicate(timeout=PATIENCE_SECONDS)
        return Ended(process.returncode, text)

    def interrupt(self, *words: str, schema: str) -> Ended:
        """Begin it while somebody holds the notes of this schema; Ctrl-C when it waits for them."""
        table = f"{schema}.probe_note"
        with superuser() as holder, superuser() as watcher:
            holder.execute("BEGIN")
            holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            process = self.type(*words)
            try:
                _wait_until_waiting(watcher, table, process)
                process.send_signal(signal.SIGINT)
                text, _ = process.communicate(timeout=PATIENCE_SECONDS)
            finally:
                process.kill()
            holder.execute("ROLLBACK")
        return Ended(process.returncode, text)


def _wait_until_waiting(
    watcher: psycopg.Connection[object], table: str, process: subprocess.Popen[str]
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = watcher.execute(
            "SELECT FROM pg_locks WHERE relation = %s::regclass AND NOT granted", [table]
        )
        if found.rowcount:
            return
        if process.poll() is not None:
            raise AssertionError(f"It ended before it waited: {process.communicate()[0]}")
        time.sleep(0.05)
    raise AssertionError("It never waited for the table.")


@pytest.fixture
def initech(make_tenant: TenantMaker, media: Path) -> Tenant:
    """A tenant with a note."""
    tenant: Tenant = make_tenant("initech")
    with context.run_in(tenant):
        Note.objects.create(text="one")
    return tenant


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def state(tenant: Tenant) -> tuple[str, str, int]:
    """What an operator would call "as it was"."""
    now = Tenant.objects.get(pk=tenant.pk)
    with context.run_in(now):
        return str(now.status), now.schema_name, Note.objects.count()


def test_export_leaves_the_tenant_and_no_file(
    initech: Tenant, operator: Operator, tmp_path: Path
) -> None:
    before = state(initech)
    ended = operator.interrupt(
        "export", "initech", str(tmp_path / "initech.terrace"), schema=initech.schema_name
    )
    assert ended.status == 130, ended.text
    assert "initech is as it was: active" in ended.text
    assert "Traceback" not in ended.text
    assert list(tmp_path.glob("**/*.terrace*")) == []
    assert state(initech) == before


def test_clone_leaves_no_second_tenant(initech: Tenant, operator: Operator) -> None:
    before = state(initech)
    ended = operator.interrupt(
        *("clone", "initech", "Copy", "--subdomain=initcopy", WHY), schema=initech.schema_name
    )
    assert ended.status == 130, ended.text
    assert "initech is as it was: active" in ended.text
    assert not Tenant.objects.filter(subdomain="initcopy").exists()
    assert state(initech) == before


def test_swap_of_an_undo_leaves_the_tenant_and_its_preview(
    initech: Tenant, operator: Operator
) -> None:
    for words in (("backup", "initech"), ("undo", "preview", "initech", WHY)):
        done = operator.run(*words)
        assert done.status == 0, done.text
    before = state(initech)
    swap = ("undo", "swap", "initech", WHY, "--yes")
    ended = operator.interrupt(*swap, schema=initech.schema_name)
    assert ended.status == 130, ended.text
    assert "initech is as it was: active" in ended.text
    assert state(initech) == before
    assert Preview.objects.filter(tenant=initech, swapped_at=None).exists()
    done = operator.run(*swap)
    assert done.status == 0, done.text
    assert operator.run("undo", "back", "initech", WHY, "--yes").status == 0
    assert operator.run("undo", "close", "initech", WHY, "--yes").status in {0, 1}


def test_erasure_says_that_it_goes_on(initech: Tenant, operator: Operator) -> None:
    erase = ("erase", "initech", WHY, "--force", "--yes")
    ended = operator.interrupt(*erase, schema=initech.schema_name)
    assert ended.status == 130, ended.text
    assert "has begun and can't be taken back" in ended.text
    assert Tenant.objects.get(pk=initech.pk).status == Status.ERASED
    done = operator.run(*erase)
    assert done.status == 0, done.text
    assert lifecycle.certificate_of(Tenant.objects.get(pk=initech.pk)).subdomain == "initech"
