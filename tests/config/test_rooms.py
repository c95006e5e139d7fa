"""What import-linter is told, and what it can't see."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "shared_apps" / "tenants"
# CONTRIBUTING.md and docs/decisions/0004-doors-of-the-engine.md name them too.
DOORS = {
    *("context", "encryption", "errors", "handoff", "keys", "naming", "previews"),
    *("problems", "registry", "stored_files", "tasks", "visitors"),
}
# Nobody imports migrations.
NO_ROOMS = {"__init__", "__pycache__", "migrations"}


def modules_in(folder: Path) -> set[str]:
    """The modules and packages of a package."""
    return {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}


def forbidden_to_tenant_apps() -> set[str]:
    """What the contract about the engine's doors names."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    contracts = tools["importlinter"]["contracts"]
    (doors,) = [one for one in contracts if one["name"].startswith("Tenant apps reach the engine")]
    return set(doors["forbidden_modules"])


def test_every_module_of_the_engine_is_a_door_or_forbidden() -> None:
    inside = {f"shared_apps.tenants.{name}" for name in modules_in(ENGINE) - DOORS - NO_ROOMS}
    inside |= {f"shared_apps.tenants.tasks.{name}" for name in modules_in(ENGINE / "tasks")}
    # import-linter takes the decorator `tasks.periodic` for the module of that name.
    inside -= {f"shared_apps.tenants.tasks.{name}" for name in (*NO_ROOMS, "periodic")}
    missing = inside - forbidden_to_tenant_apps()
    assert not missing, f"Name them in pyproject's contract, or make them doors: {sorted(missing)}"


def test_doors_are_the_ones_that_are_written_down() -> None:
    for page in ("CONTRIBUTING.md", "docs/decisions/0004-doors-of-the-engine.md"):
        named = set(re.findall(r"`tenants\.(\w+)`", (ROOT / page).read_text()))
        assert named == DOORS, page


def test_shared_apps_take_no_tenants_model_behind_the_linters_back() -> None:
    """AUTH_USER_MODEL is a tenant's; `registry` is how the public site asks about people."""
    for path in (ROOT / "shared_apps").rglob("*.py"):
        assert "get_user_model" not in path.read_text(), path


def test_tenant_apps_can_be_loaded_without_the_engines_tables() -> None:
    """A door imports no model when it is opened: the benchmarks run the apps in bare Django."""
    settings = ("bare.settings", "stock.settings", "stock.settings_fleet")
    for name in settings:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", "import django; django.setup()"],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": f"tests.benchmarks.{name}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"
