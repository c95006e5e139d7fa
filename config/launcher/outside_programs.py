"""Programs that no Python package brings: Chromium and PgBouncer for tests, wrk for a benchmark."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Where Debian keeps what an ordinary user's PATH may not have.
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin")


class CannotInstall(Exception):
    """A program is missing and could not be installed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideProgram:
    """A program that has to be installed by whoever owns the machine.

    Attributes:
        find: the program, or None.
        missing: what to say where there is none.
        packages: Debian's names of what has to be installed.
        without_root: the command that downloads it for one user, where there is one.
    """

    find: Callable[[], Path | None]
    missing: str
    packages: Sequence[str]
    without_root: Sequence[str] = ()

    @property
    def install_command(self) -> str:
        """What a person types to get it."""
        apt = f"apt-get install -y {' '.join(self.packages)}"
        command = apt if os.geteuid() == 0 else f"sudo {apt}"
        if self.without_root:
            command += f", or without root: {' '.join(self.without_root)}"
        return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Need(OutsideProgram):
    """What the tests with one marker need.

    Attributes:
        marker: the pytest marker.
        variable: the environment variable that holds the program's path once it is found.
    """

    marker: str
    variable: str

    def install(self) -> None:
        """Install it, for continuous integration.

        Raises:
            CannotInstall: neither the system's packages nor a download brought it.
        """
        for command in self._installers():
            print(f"Installing for the {self.marker} tests: {' '.join(command)}", flush=True)
            if subprocess.run(command, check=False).returncode == 0 and self.find():
                return
        raise CannotInstall(f"{self.missing} Install it with: {self.install_command}")

    def _installers(self) -> list[list[str]]:
        commands = []
        apt = shutil.which("apt-get")
        if apt and os.geteuid() == 0:
            quiet = ["env", "DEBIAN_FRONTEND=noninteractive", apt]
            script = f"{' '.join(quiet)} update -qq; {' '.join(quiet)} install -y -qq "
            commands.append(["sh", "-c", script + " ".join(self.packages)])
        if self.without_root:
            commands.append(list(self.without_root))
        return commands


def find_chromium() -> Path | None:
    """TERRACE_CHROMIUM, else a browser on PATH, else one that playwright has downloaded."""
    if not _driver_runs():
        return None
    named = os.environ.get("TERRACE_CHROMIUM")
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    return _on_path(*CHROMIUM_NAMES) or _downloaded_by_playwright()


def find_pgbouncer() -> Path | None:
    """TERRACE_PGBOUNCER, else the program on PATH or in the system's folders."""
    named = os.environ.get("TERRACE_PGBOUNCER")
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    return _on_path("pgbouncer")


def find_wrk() -> Path | None:
    """The program on PATH or in the system's folders."""
    return _on_path("wrk")


NEEDS = (
    Need(
        marker="browser",
        variable="TERRACE_CHROMIUM",
        find=find_chromium,
        missing="No Chromium that playwright can drive was found.",
        # libatomic1: playwright's Node is linked against it, and a minimal Debian lacks it.
        packages=("chromium", "libatomic1"),
        without_root=(sys.executable, "-m", "playwright", "install", "chromium"),
    ),
    Need(
        marker="pooler",
        variable="TERRACE_PGBOUNCER",
        find=find_pgbouncer,
        missing="No PgBouncer was found.",
        packages=("pgbouncer",),
    ),
)
# No test's need: `./terrace bench requests` sends its load with it.
WRK = OutsideProgram(find=find_wrk, missing="No wrk was found.", packages=("wrk",))


def _on_path(*names: str) -> Path | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    for name in names:
        if found := shutil.which(name, path=path):
            return Path(found)
    return None


def _driver_runs() -> bool:
    node = Path(sysconfig.get_paths()["purelib"]) / "playwright" / "driver" / "node"
    if not node.exists():
        return False
    asked = subprocess.run([node, "--version"], capture_output=True, check=False)
    return asked.returncode == 0


def _downloaded_by_playwright() -> Path | None:
    default = Path.home() / ".cache" / "ms-playwright"
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default)
    found = sorted(
        folder.glob("chromium-*/chrome-linux*/chrome"),
        key=lambda program: int(program.parts[-3].rpartition("-")[2]),
    )
    return found[-1] if found else None
