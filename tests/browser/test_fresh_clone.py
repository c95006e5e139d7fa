"""`./terrace up` of a fresh clone, as an ordinary user, to a third tenant that has moved in.

The clone is a copy of what git knows. Its virtual environment has the packages of the suite's own,
so that nothing is downloaded: how they are installed is in tests/config/test_launcher.py.
"""

import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.processes import run_process, start_process
from tests.browser.conftest import ROOT, Place, VisitMaker, free_port
from tests.browser.first_day import live_the_first_day

pytestmark = [pytest.mark.browser, pytest.mark.slow]

UP_SECONDS = 120
STOP_SECONDS = 60
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)


@pytest.fixture
def clone() -> Iterator[Path]:
    """The project in a folder of its own, which belongs to an ordinary user."""
    # Not pytest's tmp_path: its parents are closed to others. Short, for the sockets in it.
    folder = Path(tempfile.mkdtemp(prefix="terrace-clone-"))
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    _furnish_with_packages(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _furnish_with_packages(folder: Path) -> None:
    """A virtual environment that the launcher takes for installed, with our packages on its path."""
    venv = folder / ".venv"
    subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "terrace.pth").write_text(f"{folder}\n{sysconfig.get_paths()['purelib']}\n")
    stamp = {
        name: hashlib.sha256((folder / "requirements" / f"{name}.txt").read_bytes()).hexdigest()
        for name in ("base", "embedded", "dev")
    }
    (venv / "terrace-installed.json").write_text(json.dumps(stamp))


def _ordinary_identity(folder: Path) -> str:
    """This user; where that is root `nobody`, who may have to be let into root's folders for Python
    and its packages (config/embedded/child.py)."""
    if os.geteuid() != 0:
        return "same"
    nobody = pwd.getpwnam("nobody")
    for place, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(Path(place) / name, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    for identity in (f"{nobody.pw_uid}:{nobody.pw_gid}", f"{nobody.pw_uid}:{nobody.pw_gid}:enters"):
        probe = ["--probe", str(folder), BASE_PYTHON]
        if run_process(probe, identity=identity).returncode == 0:
            return identity
    raise AssertionError(f"The user `nobody` can't run {BASE_PYTHON} in {folder}.")


@pytest.fixture
def place(clone: Path) -> Iterator[Place]:
    """What `./terrace up` has started, as it says itself."""
    identity = _ordinary_identity(clone)
    log = clone.with_suffix(".out")
    with log.open("wb") as output:
        process = start_process(
            [BASE_PYTHON, str(clone / "terrace"), "up"],
            death_signal=signal.SIGTERM,
            identity=identity,
            cwd=Path("/"),
            # Nothing of the suite's: what a person has who has only just logged in.
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(clone),
                "LANG": "C.UTF-8",
                "TERRACE_PORT": str(free_port()),
            },
            output=output,
        )
    try:
        deadline = time.monotonic() + UP_SECONDS
        while "Terrace is ready" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        owners = {path.stat().st_uid for path in (clone / ".terrace").rglob("*")}
        assert 0 not in owners, "its servers run as an ordinary user"
        told = re.search(r"Public site +http://localhost:(\d+)/", log.read_text())
        assert told, log.read_text()
        yield Place(int(told[1]), clone / ".terrace" / "mails")
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 128 + signal.SIGINT, log.read_text()
    finally:
        process.kill()
        process.wait()
        log.unlink()


def test_fresh_clone_is_up_and_a_third_tenant_moves_in(place: Place, visit: VisitMaker) -> None:
    live_the_first_day(place, visit)
