"""One owner for a data folder at a time. The kernel frees the lock when the owner dies."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded.errors import DataDirInUse


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on a data folder: a process, what it is doing, and the servers' addresses."""

    pid: int
    purpose: str
    env: Mapping[str, str] = field(default_factory=dict)


class FolderLock:
    """The lock of one data folder, held by this process."""

    def __init__(self, descriptor: int, purpose: str) -> None:
        """Take over an open descriptor that carries the lock."""
        self._descriptor = descriptor
        self._purpose = purpose
        self.tell({})

    def tell(self, env: Mapping[str, str]) -> None:
        """Let others read where the servers are."""
        text = json.dumps({"pid": os.getpid(), "purpose": self._purpose, "env": dict(env)})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)


def lock_path(data_dir: Path) -> Path:
    """The file that carries the lock."""
    return data_dir / "lock"


@contextlib.contextmanager
def lock_folder(data_dir: Path, *, purpose: str) -> Iterator[FolderLock]:
    """Hold a data folder.

    Raises:
        DataDirInUse: another process holds it.
    """
    # Not inherited by children (PEP 446), so no server keeps the lock when we are gone.
    descriptor = os.open(lock_path(data_dir), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _take(descriptor):
            raise DataDirInUse(_sentence(data_dir, _read(descriptor)))
        yield FolderLock(descriptor, purpose)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def holder_of(data_dir: Path) -> Holder | None:
    """Who holds the folder now, if anybody does."""
    try:
        descriptor = os.open(lock_path(data_dir), os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    # Somebody who only asks who holds the folder has the lock for an instant.
    for _ in range(10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _read(descriptor: int) -> Holder:
    try:
        told = json.loads(os.pread(descriptor, 100_000, 0))
        return Holder(int(told["pid"]), str(told["purpose"]), dict(told["env"]))
    except (ValueError, KeyError):
        return Holder(0, "starting")


def _sentence(data_dir: Path, holder: Holder) -> str:
    who = f"process {holder.pid} ({holder.purpose})" if holder.pid else "another process"
    stop = f" or `kill {holder.pid}`" if holder.pid else ""
    return (
        f"{data_dir} is in use by {who}. "
        f"Stop it with Ctrl-C where it runs{stop}, or set TERRACE_DATA_DIR to another folder."
    )
