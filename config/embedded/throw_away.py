"""Data folders that last as long as the process that made them."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.embedded.errors import DataDirInUse
from config.embedded.folder_lock import lock_folder


@contextlib.contextmanager
def throw_away_folder(parent: Path) -> Iterator[Path]:
    """A fresh folder under `parent`, removed at the end; what killed processes left goes too.

    Where `parent` can't be written to, the folder is made among the temporary files.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
    except PermissionError:
        folder = Path(tempfile.mkdtemp(prefix="terrace-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        owner = folder.name.partition("-")[0]
        if owner.isdigit() and Path(f"/proc/{owner}").exists():
            continue
        with contextlib.suppress(DataDirInUse, OSError), lock_folder(folder, purpose="clean up"):
            shutil.rmtree(folder, ignore_errors=True)
