"""kill -9 in the middle of an export, an import, a drill: nothing half done stays, or it goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.utils import timezone

from shared_apps.tenants.archive import backups, drills, importing, tasks
from shared_apps.tenants.archive.writing import export_tenant
from shared_apps.tenants.models import ArchiveImport, RestoreDrill, RestoreState, Tenant
from shared_apps.tenants.schemas import owner_transaction
from tests.shared_apps.tenants.archive.conftest import FILES, Rows, files_of, schemas_and_roles

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[4]
Kill = Callable[..., None]


def _at_test_database(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{settings.DATABASES['default']['NAME']}"))


@pytest.fixture
def kill() -> Iterator[Kill]:
    """`kill(verb, part, …)`: run it in a process of its own, and kill -9 it at that part."""
    started: list[subprocess.Popen[str]] = []

    def run(verb: str, part: str, *arguments: str) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_URL": _at_test_database(os.environ["DATABASE_URL"]),
            "DATABASE_ADMIN_URL": _at_test_database(os.environ["DATABASE_ADMIN_URL"]),
        }
        module = "tests.shared_apps.tenants.archive.archive_process"
        process = subprocess.Popen(
            [sys.executable, "-m", module, verb, part, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
        _wait_for_its_backends()

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(30)


def _wait_for_its_backends() -> None:
    """Until PostgreSQL has noticed: the locks of a dead process are gone."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with owner_transaction() as connection:
            held = connection.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchone()
        if held == (0,):
            return
        time.sleep(0.05)
    pytest.fail("The killed process still holds locks.")


@pytest.mark.parametrize("part", ["articles_article", "notes.txt"])
def test_killed_export_leaves_no_file_of_its_name(
    initech: Tenant, tmp_path: Path, kill: Kill, part: str
) -> None:
    path = tmp_path / "initech.terrace"
    kill("export", part, "initech", str(path))
    assert not path.exists()
    exported = export_tenant(tenant=initech, target=path)
    assert [found.name for found in tmp_path.iterdir()] == ["initech.terrace"]
    assert exported.rows


@pytest.mark.parametrize(
    ("part", "state"),
    [("articles_article", RestoreState.CHECKED), ("notes.txt", RestoreState.MIGRATED)],
)
def test_killed_import_is_invisible_and_goes_on(
    initech: Tenant,
    archive_file: Path,
    kill: Kill,
    rows_of: Rows,
    part: str,
    state: RestoreState,
) -> None:
    kill("import", part, str(archive_file), "initrode")
    row = ArchiveImport.objects.get()
    assert row.state == state
    assert not Tenant.objects.filter(subdomain="initrode").exists()

    tenant = importing.resume_import(import_id=row.pk, source=archive_file)

    assert rows_of(tenant) == rows_of(initech)
    assert files_of(tenant) == FILES
    importing.remove_files(tenant.ref)


def test_killed_import_that_nobody_resumes_is_undone(
    initech: Tenant, archive_file: Path, kill: Kill
) -> None:
    before = schemas_and_roles()
    kill("import", "notes.txt", str(archive_file), "initrode")
    assert schemas_and_roles() != before
    assert importing.sweep_restores() == 0
    assert importing.sweep_restores(now=timezone.now() + timedelta(hours=25)) == 1
    assert schemas_and_roles() == before
    assert files_of(importing.ref_of(ArchiveImport.objects.get())) == {}


def test_scratch_schema_of_a_killed_drill_is_dropped(initech: Tenant, kill: Kill) -> None:
    backups.back_up_tenant(tenant=initech)
    before = schemas_and_roles()
    kill("drill", "")
    assert schemas_and_roles() != before
    assert tasks.sweep_restored_schemas() == 1
    assert schemas_and_roles() == before
    later = timezone.now() + drills.ABANDONED_AFTER
    assert (drills.end_abandoned_drills(), drills.end_abandoned_drills(now=later)) == (0, 1)
    assert "killed" in RestoreDrill.objects.get().failure
