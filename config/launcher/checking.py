"""./terrace check: everything that can be said about the code without running the suite."""

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded import start_services
from config.embedded.throw_away import throw_away_folder
from config.launcher.environment import data_folder, environment_for
from config.launcher.terminal import coloured, say


@dataclass(frozen=True, slots=True)
class Check:
    """One tool: the commands that it takes, one after the other, and with which settings."""

    name: str
    commands: Sequence[Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one tool ended."""

    check: Check
    passed: bool
    said: str
    seconds: float


def run_check(root: Path) -> int:
    """Run every tool, also after a failure; print what failed and a table; 1 if any failed."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(throw_away_folder(data_folder(root) / "checks"))
        services = stack.enter_context(
            start_services(folder, durable=False, purpose="./terrace check")
        )
        env = environment_for(services.env, data_dir=folder)
        # Nothing that a developer has set for a running Terrace changes what is checked.
        env.pop("DJANGO_SETTINGS_MODULE", None)
        checks = _checks(root)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            outcomes = list(pool.map(lambda check: _run(check, root, env), checks))
    for outcome in outcomes:
        if not outcome.passed:
            say(f"\n{coloured(f'--- {outcome.check.name}', 'bad')}\n{outcome.said.rstrip()}")
    say()
    for outcome in outcomes:
        word = coloured("passed", "good") if outcome.passed else coloured("FAILED", "bad")
        say(f"  {outcome.check.name:<16}{word}  {outcome.seconds:6.1f} s")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _checks(root: Path) -> list[Check]:
    python = sys.executable
    tools = Path(python).parent
    manage = (python, "manage.py")
    # As it would be deployed: everything that production demands, made up.
    production = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "TERRACE_BASE_DOMAIN": "terrace.example",
        "EMAIL_HOST": "smtp.terrace.example",
    }
    # The slow ones first, so that the others run beside them.
    checks = [
        Check("mypy", [(python, "-m", "mypy")]),
        # With what PostgreSQL must refuse, asked of a database that these migrations have made.
        Check(
            "deployment",
            [
                (*manage, "migrate", "--skip-checks", "--verbosity", "0"),
                (
                    *manage,
                    *("check", "--deploy", "--database", "default", "--fail-level", "WARNING"),
                ),
            ],
            production,
        ),
        Check("ruff check", [(str(tools / "ruff"), "check", ".")]),
        Check("ruff format", [(str(tools / "ruff"), "format", "--check", ".")]),
        Check("tenant lint", [(python, "-m", "config.tenant_lint")]),
        Check(
            "migration lint",
            [(python, "-m", "config.migration_lint")],
            {"DJANGO_SETTINGS_MODULE": "config.settings.local"},
        ),
        Check("import rules", [(str(tools / "lint-imports"),)]),
        Check(
            "migrations",
            [(*manage, "makemigrations", "--check", "--dry-run")],
            {"DJANGO_SETTINGS_MODULE": "config.settings.local"},
        ),
    ]
    if (root / "templates").exists():
        checks += [
            Check("djlint lint", [(str(tools / "djlint"), "templates", "--lint", "--quiet")]),
        ]
    return checks


def _run(check: Check, root: Path, env: Mapping[str, str]) -> Outcome:
    began = time.monotonic()
    said = ""
    for command in check.commands:
        done = subprocess.run(
            command,
            cwd=root,
            env={**env, **check.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said += done.stdout
        if done.returncode != 0:
            return Outcome(check, passed=False, said=said, seconds=time.monotonic() - began)
    return Outcome(check, passed=True, said=said, seconds=time.monotonic() - began)
