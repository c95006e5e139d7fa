"""The environment that Terrace's processes start with."""

import os
from collections.abc import Mapping
from pathlib import Path


class BadEnvironmentFile(Exception):
    """A line of .env is not NAME=VALUE."""


def read_environment_file(path: Path) -> dict[str, str]:
    """Read NAME=VALUE lines; blank lines, `# comments`, `export` and quotes around values are fine.

    Raises:
        BadEnvironmentFile: names the line that can't be read.
    """
    if not path.exists():
        return {}
    found = {}
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name.replace("_", "a").isalnum() or name[0].isdigit():
            raise BadEnvironmentFile(f"{path}, line {number}: write NAME=VALUE, not {raw!r}.")
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[name] = value[1:-1] if quoted else value.partition(" #")[0].strip()
    return found


def use_environment_file(root: Path) -> None:
    """Put .env into this process's environment; what is already set wins."""
    for name, value in read_environment_file(root / ".env").items():
        os.environ.setdefault(name, value)


def data_folder(root: Path) -> Path:
    """Where data, logs, mails and sockets are kept."""
    return root / (os.environ.get("TERRACE_DATA_DIR") or ".terrace")


def environment_for(services: Mapping[str, str], *, data_dir: Path, **more: str) -> dict[str, str]:
    """This process's environment, with the servers' addresses and whatever else is named."""
    return {
        **os.environ,
        "TERRACE_DATA_DIR": str(data_dir),
        "PYTHONUNBUFFERED": "1",
        **services,
        **more,
    }
