"""./terrace test: the whole suite, with what it needs from outside installed or named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from config.launcher.outside_programs import NEEDS, CannotInstall
from config.launcher.terminal import coloured, say

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ALL_PYTHONS = "--all-pythons"


def run_tests(arguments: list[str], *, root: Path) -> int:
    """Run pytest on servers of its own (tests/services.py), a worker for each processor."""
    if ALL_PYTHONS in arguments:
        rest = [argument for argument in arguments if argument != ALL_PYTHONS]
        return _run_on_all_pythons(rest, root=root)
    if os.environ.get("CI") == "true":
        try:
            for need in NEEDS:
                if not need.find():
                    need.install()
        except CannotInstall as error:
            say(str(error))
            return 1
    workers = [] if _says_how_many(arguments) else ["-n", str(os.cpu_count() or 1)]
    command = [sys.executable, "-m", "pytest", *workers, *arguments]
    # No process of ours stays between the terminal and pytest.
    return os.execv(command[0], command)


def _says_how_many(arguments: list[str]) -> bool:
    return any(
        argument.startswith(("-n", "--numprocesses", "--pdb", "--dist")) or argument == "-s"
        for argument in arguments
    )


def _run_on_all_pythons(arguments: list[str], *, root: Path) -> int:
    """Run all but the browser tests on each Python that PATH has, and say how each went."""
    outcomes = {}
    for version in PYTHONS:
        program = shutil.which(f"python{version}")
        if not program or subprocess.run([program, "-c", ""], check=False).returncode != 0:
            outcomes[version] = "not on PATH"
            continue
        say(f"\nPython {version}")
        command = [str(root / "terrace"), "test", "--python", version, "-m", "not browser"]
        status = subprocess.run([sys.executable, *command, *arguments], check=False).returncode
        outcomes[version] = "passed" if status == 0 else f"failed (exit status {status})"
    say()
    for version, outcome in outcomes.items():
        say(f"  Python {version}  {coloured(outcome, 'bad' if 'failed' in outcome else 'good')}")
    return 1 if any("failed" in outcome for outcome in outcomes.values()) else 0
