"""`manage.py fleet …`: five doors to the fleet's verbs."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from shared_apps.tenants.models import Tenant
from shared_apps.tenants.schemas import owner_transaction
from tests.shared_apps.tenants.fleet.conftest import bring, is_whole

pytestmark = pytest.mark.usefixtures("committed")


def _fleet(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("fleet", *words, stdout=out, **options)
    return out.getvalue()


def _spoil(tenant: Tenant) -> None:
    with owner_transaction() as owner:
        owner.execute(f"SET LOCAL search_path = {tenant.schema_name}")
        owner.execute("DROP INDEX products_product_title")
        owner.execute("ALTER TABLE users_role ADD COLUMN stray integer")
        owner.execute("UPDATE users_role SET stray = 1")


def test_status_says_who_is_behind(initech: Tenant) -> None:
    assert json.loads(_fleet("status", "--json"))["behind"] == []
    bring([initech.schema_name], "0001_initial")
    status = json.loads(_fleet("status", "--json"))
    assert status["behind"] == ["initech"]
    assert status["tenants"] == 3
    assert "initech" in _fleet("status")
    _fleet("migrate", "--tenant", "initech", verbosity=0)
    status = json.loads(_fleet("status", "--json"))
    assert (status["behind"], status["failures"]) == ([], [])
    assert status["last_run"]["done"] == 1


def test_plan_is_shown_and_nothing_done(initech: Tenant) -> None:
    bring([initech.schema_name], "0012_remove_fields")
    told = _fleet("migrate", "--plan", "--tenant", "initech", "--json")
    [group] = json.loads(told.strip().splitlines()[-1])
    assert group["schemas"] == [initech.schema_name]
    assert [step["runs_in_each_tenant"] for step in group["steps"]][-1] == "RunPython"
    assert json.loads(_fleet("status", "--json"))["behind"] == ["initech"]


def test_drift_is_shown_as_ddl_and_mended(initech: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "0 drifted" in _fleet("drift")
    _spoil(initech)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("fleet", "drift", stdout=out)
    told = out.getvalue()
    assert "CREATE INDEX" in told
    assert 'DROP COLUMN "stray"' in told
    assert "would destroy" in told

    monkeypatch.setattr("builtins.input", lambda words: "n")
    with pytest.raises(CommandError, match="Nothing was changed"):
        _fleet("repair")
    with pytest.raises(CommandError, match="left"):
        _fleet("repair", "--yes")
    assert not is_whole(initech.schema_name)
    assert "as the release" in _fleet("repair", "--yes", "--destructive", "--tenant", "initech")
    assert is_whole(initech.schema_name)


def test_drift_of_an_unknown_tenant_is_refused() -> None:
    with pytest.raises(CommandError, match="nobody"):
        _fleet("drift", "--tenant", "nobody")


def test_rehearsal_tells_locks_and_seconds(initech: Tenant) -> None:
    bring([initech.schema_name], "0001_initial")
    [found] = json.loads(
        _fleet("rehearse", "specimen", "0002_add_field_and_index", "--tenant", "initech", "--json")
    )
    [step] = found["steps"]
    assert step["locks"]["specimen_book"]
    assert "AccessExclusiveLock" in _fleet(
        "rehearse", "specimen", "0002_add_field_and_index", "--tenant", "initech"
    )
