"""The command of a fresh machine: what it installs, what it starts, and what it leaves behind."""

import ast
import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import uuid
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.embedded.processes import is_alive, start_process
from config.launcher.benchmarks import list_benchmarks
from config.launcher.checking import Check, _checks, _run
from config.launcher.environment import BadEnvironmentFile, read_environment_file
from config.launcher.outside_programs import NEEDS, WRK
from config.launcher.running import StepFailed, hold_port
from config.launcher.supervising import Child, ChildEnded, Supervisor

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "terrace"
SERVERS = ("DATABASE_URL", "DATABASE_ADMIN_URL", "DATABASE_SUPERUSER_URL", "REDIS_URL")
INSTALL_SECONDS = 120
UP_SECONDS = 180
GONE_SECONDS = 30


def _wait(is_so: Callable[[], object], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


# --- The script before anything is installed ---------------------------------------------------


def _terrace(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, **env},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
def test_help_names_every_command(arguments: list[str]) -> None:
    answer = _terrace(*arguments)
    assert answer.returncode == 0
    for command in ("up", "test", "check", "bench", "manage", "lock", "help"):
        assert re.search(rf"\./terrace {command} +\S", answer.stdout)


def test_an_unknown_command_is_refused_with_the_list() -> None:
    answer = _terrace("upp")
    assert answer.returncode == 2
    assert "There is no command 'upp'." in answer.stderr
    assert "./terrace up " in answer.stderr


@pytest.mark.parametrize("version", [["--python"], ["--python", "3.99"], ["--python", "2"]])
def test_a_python_that_is_not_there_is_refused(version: list[str]) -> None:
    answer = _terrace("test", *version)
    assert answer.returncode == 2
    assert "python" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_older_python_can_read_the_script() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 6))


def test_an_older_python_is_told_so() -> None:
    pretend = (
        "import runpy, sys; sys.version_info = (3, 9, 18, 'final', 0); sys.argv = ['terrace', 'up'];"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", pretend],
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "Terrace needs Python 3.11 or newer" in answer.stderr
    assert "is 3.9.18" in answer.stderr


def test_the_vendored_pip_is_the_one_that_is_named() -> None:
    told = tomllib.loads((ROOT / "vendor" / "VENDOR.toml").read_text())
    named = {
        file: digest for package in told["package"] for file, digest in package["files"].items()
    }
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (ROOT / "vendor").iterdir()
        if path.name != "VENDOR.toml"
    }
    assert there == named


# --- Installing --------------------------------------------------------------------------------


@dataclass
class House:
    """A project of the real script and a package of our own making, without any network."""

    folder: Path
    wheels: Path

    def lock(self, name: str, version: str) -> None:
        """Write requirements/NAME.txt, which wants this version of the package."""
        wheel = _make_wheel(self.wheels, version)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        text = f"terrace-brick=={version} --hash=sha256:{digest}\n"
        (self.folder / "requirements" / f"{name}.txt").write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ./terrace with no uv on PATH, so that the vendored pip does the work."""
        env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }
        return subprocess.Popen(
            [sys.executable, str(self.folder / "terrace"), *arguments],
            env=env,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run it to its end: exit status, standard output, standard error."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=INSTALL_SECONDS)
        return process.returncode, out, err


def _make_wheel(folder: Path, version: str) -> Path:
    """A wheel with one module that knows its version."""
    path = folder / f"terrace_brick-{version}-py3-none-any.whl"
    info = f"terrace_brick-{version}.dist-info"
    files = {
        "terrace_brick.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: terrace-brick\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, text in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text.encode())}\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            # A fixed date, so that the same version has the same hash each time.
            wheel.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
    return path


INSIDE = """
import json, sys
import terrace_brick

def run_command(command, arguments, *, root):
    print(json.dumps([command, arguments, str(root), sys.prefix, terrace_brick.VERSION]))
    return 7
"""


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The script in a folder of its own, with small requirements and an end that we can see."""
    folder = tmp_path / "a house"
    made = House(folder, tmp_path / "wheels")
    made.wheels.mkdir()
    (folder / "requirements").mkdir(parents=True)
    (folder / "config" / "launcher").mkdir(parents=True)
    (folder / "config" / "launcher" / "commands.py").write_text(INSIDE)
    shutil.copy(SCRIPT, folder)
    shutil.copytree(ROOT / "vendor", folder / "vendor")
    for name in ("base", "embedded", "dev", "test"):
        made.lock(name, "1.0")
    return made


def test_a_first_start_installs_and_goes_inside(house: House) -> None:
    status, out, err = house.run("manage", "check", "--tag", "x")
    venv = str(house.folder / ".venv")
    assert json.loads(out) == ["manage", ["check", "--tag", "x"], str(house.folder), venv, "1.0"]
    assert status == 7
    assert "Making .venv" in err
    assert "Installed in" in err


def test_a_second_start_installs_nothing(house: House) -> None:
    house.run("manage")
    shutil.rmtree(house.wheels)
    _, out, err = house.run("manage")
    assert json.loads(out)[4] == "1.0"
    assert err == ""


def test_a_changed_lock_is_installed(house: House) -> None:
    house.run("manage")
    for name in ("base", "embedded", "dev"):
        house.lock(name, "2.0")
    _, out, _ = house.run("manage")
    assert json.loads(out)[4] == "2.0"


def test_tests_on_another_python_run_in_its_own_environment(house: House) -> None:
    """Another name for this one will do: the environment is named for it."""
    base = Path(getattr(sys, "_base_executable", sys.executable))
    other = house.folder / "elsewhere" / "python3.99"
    other.parent.mkdir()
    other.symlink_to(base.resolve())
    house.run("test")  # the everyday environment is there, and must not be taken
    status, out, err = house.run("test", "--python", str(other), "-k", "x")
    assert "Making .venv-3.99" in err
    command, arguments, _, prefix, _ = json.loads(out)
    assert (status, command, arguments) == (7, "test", ["-k", "x"])
    assert prefix == str(house.folder / ".venv-3.99")


def test_a_wrong_hash_is_refused_and_leaves_no_half(house: House) -> None:
    for name in ("base", "embedded", "dev"):
        lock = house.folder / "requirements" / f"{name}.txt"
        lock.write_text(f"terrace-brick==1.0 --hash=sha256:{'0' * 64}\n")
    status, out, err = house.run("manage")
    assert (status, out) == (2, "")
    assert "pip could not install the requirements" in err
    assert "DO NOT MATCH THE HASHES" in err
    for name in ("base", "embedded", "dev"):
        house.lock(name, "1.0")
    status, out, err = house.run("manage")
    assert "The last installation was interrupted" in err
    assert json.loads(out)[4] == "1.0"


@pytest.mark.chaos
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_installation_is_made_anew(house: House, number: signal.Signals) -> None:
    process = house.start("manage")
    mark = house.folder / ".venv" / "terrace-installing"
    _wait(mark.exists, "the installation begins", INSTALL_SECONDS)
    process.send_signal(number)
    out, err = process.communicate(timeout=INSTALL_SECONDS)
    assert process.returncode != 7
    assert out == ""
    assert "Traceback" not in err
    status, out, err = house.run("manage")
    assert "The last installation was interrupted" in err
    assert (status, json.loads(out)[4]) == (7, "1.0")


def test_two_at_once_install_once(house: House) -> None:
    both = [house.start("manage"), house.start("manage")]
    told = [process.communicate(timeout=INSTALL_SECONDS) for process in both]
    assert [json.loads(out)[4] for out, _ in told] == ["1.0", "1.0"]
    assert sum("Installed in" in err for _, err in told) == 1


def test_an_environment_whose_python_is_gone_is_made_anew(house: House) -> None:
    house.run("manage")
    python = house.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python")
    _, out, err = house.run("manage")
    assert ".venv is broken: making it anew." in err
    assert json.loads(out)[4] == "1.0"


def test_pip_is_asked_where_only_pip_knows_the_index(house: House) -> None:
    uv = house.folder / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho uv was asked >&2\nexit 1\n")
    uv.chmod(0o755)
    program = [sys.executable, str(house.folder / "terrace"), "manage"]
    env = {
        "PATH": f"{uv.parent}:/usr/bin:/bin",
        "HOME": str(house.folder),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(house.wheels),
    }
    answer = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
    assert "uv was asked" not in answer.stderr
    assert answer.returncode == 7


# --- Small parts -------------------------------------------------------------------------------


def test_environment_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# a comment\n\nA=1\nexport B = two words # and why\nC='single # quoted'\nD=\"x=y\"\nE=\n"
    )
    assert read_environment_file(path) == {
        "A": "1",
        "B": "two words",
        "C": "single # quoted",
        "D": "x=y",
        "E": "",
    }
    assert read_environment_file(tmp_path / "none") == {}


@pytest.mark.parametrize("line", ["NO EQUALS", "=value", "2X=1", "A-B=1"])
def test_a_bad_line_of_the_environment_file_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"A=1\n{line}\n")
    with pytest.raises(BadEnvironmentFile, match=r"\.env, line 2: write NAME=VALUE"):
        read_environment_file(path)


def test_every_variable_of_the_settings_is_explained() -> None:
    settings = "\n".join(path.read_text() for path in (ROOT / "config" / "settings").glob("*.py"))
    read = set(re.findall(r"""env\.[a-z_]+\(\s*"([A-Z_]+)""", settings))
    explained = set(re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert "TERRACE_BASE_DOMAIN" in read
    assert read - explained == set()


def test_check_asks_a_migrated_database() -> None:
    (deployment,) = [one for one in _checks(ROOT) if one.name == "deployment"]
    verbs = [command[2] for command in deployment.commands]
    assert verbs == ["migrate", "check"]
    assert {"--deploy", "--database", "default"} <= set(deployment.commands[1])


def test_a_check_stops_at_the_command_that_fails() -> None:
    fails, works = ((sys.executable, "-c", f"print({n}); raise SystemExit({n})") for n in (3, 0))
    outcome = _run(Check("two", [works, fails, works]), ROOT, os.environ)
    assert not outcome.passed
    assert outcome.said.split() == ["0", "3"]
    assert _run(Check("one", [works]), ROOT, os.environ).passed


def test_a_busy_port_makes_way_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        monkeypatch.setenv("TERRACE_PORT", str(port))
        with hold_port() as held, socket.socket() as another:
            assert port < held <= port + 99
            with pytest.raises(OSError, match="in use"):
                another.bind(("127.0.0.1", held))


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("TERRACE_PORT", port)
    with pytest.raises(StepFailed, match="set it to a port number"), hold_port():
        pass


def test_benchmarks_are_listed_with_their_first_line() -> None:
    listed = list_benchmarks(ROOT)
    assert "requests" in listed
    assert all(listed.values())
    assert "report" not in listed


def test_benchmark_without_its_program_says_how_to_get_it(tmp_path: Path) -> None:
    """As long as nothing was started: the program is looked for first."""
    env = {**os.environ, "PATH": str(tmp_path)}
    for name in SERVERS:
        env.setdefault(name, "postgresql://nobody@127.0.0.1:1/none")
    run = (
        "import sys\n"
        "from config.launcher import outside_programs\n"
        "outside_programs.SYSTEM_FOLDERS = ()\n"
        "from tests.benchmarks import requests\n"
        "sys.argv = ['requests', '--parts', 'wrk']\n"
        "sys.exit(requests.main())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", run],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2, answer.stderr
    assert "No wrk was found. Install it with: " in answer.stderr
    assert "apt-get install -y wrk" in answer.stderr
    assert "--parts in-process,wire,memory" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_programs_of_tests_name_how_to_install_them() -> None:
    commands = {need.marker: need.install_command for need in NEEDS}
    assert "apt-get install -y chromium libatomic1, or without root: " in commands["browser"]
    assert commands["browser"].endswith("-m playwright install chromium")
    assert commands["pooler"].endswith("apt-get install -y pgbouncer")
    assert WRK not in NEEDS


# --- Supervising -------------------------------------------------------------------------------


def _child(name: str, program: str) -> Child:
    return Child(
        name,
        [sys.executable, "-u", "-c", program],
        dict(os.environ),
        stop=[(signal.SIGTERM, 2.0)],
        death_signal=signal.SIGKILL,
    )


SLEEPS = "import time; print('begun'); time.sleep(600)"


def test_a_child_that_ends_is_named_with_its_last_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = Supervisor(tmp_path, tmp_path)
    supervisor.start(_child("steady", SLEEPS))
    supervisor.run_until(lambda: supervisor.said("steady", "begun"), seconds=30)
    supervisor.start(_child("weak", "print('alas'); raise SystemExit(3 + 1)"))
    with pytest.raises(ChildEnded, match=r"weak ended with exit status 4(?s:.*)alas"):
        supervisor.run_until(lambda: False, seconds=30)
    supervisor.stop()
    assert "weak   | alas" in capsys.readouterr().out
    assert (tmp_path / "weak.log").read_text() == "alas\n"


def test_children_stop_in_the_reverse_order(tmp_path: Path) -> None:
    order = tmp_path / "order"
    tells = (
        "import signal, time\n"
        "def end(*_):\n"
        f"    open({str(order)!r}, 'a').write(NAME)\n"
        "    raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('begun')\n"
        "time.sleep(600)\n"
    )
    supervisor = Supervisor(tmp_path, tmp_path)
    for name in ("1", "2", "3"):
        supervisor.start(_child(name, f"NAME = {name!r}\n{tells}"))
        assert supervisor.run_until(lambda name=name: supervisor.said(name, "begun"), seconds=30)
    supervisor.stop()
    assert order.read_text() == "321"


def test_a_deaf_child_is_killed_with_its_children(tmp_path: Path) -> None:
    deaf = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pid = os.fork()\n"
        "print('pid', os.getpid()) if pid else None\n"
        "time.sleep(600)\n"
    )
    supervisor = Supervisor(tmp_path, tmp_path)
    child = _child("deaf", deaf)
    supervisor.start(child)
    supervisor.run_until(lambda: supervisor.said("deaf", "pid"), seconds=30)
    group = int(child.tail[-1].split()[1])
    supervisor.stop()
    _wait(lambda: not _has_members(group), "its children have ended", GONE_SECONDS)


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_edit_starts_all_again(tmp_path: Path) -> None:
    once = tmp_path / "once"
    reloads = (
        "import pathlib, sys, time\n"
        f"mark = pathlib.Path({str(once)!r})\n"
        "if mark.exists(): print('anew')\n"
        "else: mark.touch(); sys.exit(3)\n"
        "time.sleep(600)\n"
    )
    supervisor = Supervisor(tmp_path, tmp_path)
    other = _child("worker", SLEEPS)
    supervisor.start(other)
    supervisor.run_until(lambda: supervisor.said("worker", "begun"), seconds=30)
    first = other.process
    supervisor.start(_child("web", reloads))
    assert supervisor.run_until(lambda: supervisor.said("web", "anew"), seconds=30)
    assert other.process is not None
    assert other.process is not first
    supervisor.stop()


def test_a_closed_terminal_stops_nothing(tmp_path: Path) -> None:
    """Nobody reads what it prints any more: it goes on, and its logs are whole."""
    reader, writer = os.pipe()
    supervisor = (
        "import os, sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "import signal\n"
        "from config.launcher.supervising import Child, Supervisor\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "supervisor = Supervisor(folder, folder)\n"
        "program = 'import time\\nfor n in range(40): print(n, flush=True); time.sleep(0.05)'\n"
        "child = Child('web', [sys.executable, '-c', program], dict(os.environ),\n"
        "              stop=[(signal.SIGTERM, 2.0)], death_signal=signal.SIGKILL)\n"
        "supervisor.start(child)\n"
        "done = supervisor.run_until(lambda: supervisor.said('web', '39'), seconds=30)\n"
        "supervisor.stop()\n"
        "os._exit(0 if done else 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", supervisor], stdout=writer)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    assert process.wait(60) == 0
    assert (tmp_path / "web.log").read_text().endswith("39\n")


# --- Everything running ------------------------------------------------------------------------

UP = """
import sys
from pathlib import Path
root = Path(sys.argv[1])
sys.path.insert(0, str(root))
from config.launcher.commands import run_command
sys.exit(run_command(sys.argv[2], sys.argv[3:], root=root))
"""


@dataclass
class Street:
    """A running ./terrace up, with a mark by which every process of it is known."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    mark: str

    def says(self) -> str:
        """All that it has printed."""
        return self.log.read_text(errors="replace")

    def port(self) -> int:
        """Where the web server listens, as printed."""
        found = re.search(r"http://localhost:(\d+)/", self.says())
        assert found
        return int(found.group(1))

    def processes(self) -> set[int]:
        """Those that have the mark in their environment, or work in the data folder.

        PostgreSQL writes its title over its environment, and works in its data folder.
        """
        found = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or not is_alive(int(entry.name)):
                continue
            with contextlib.suppress(OSError):
                if self.mark.encode() in (entry / "environ").read_bytes() or (
                    entry / "cwd"
                ).readlink().is_relative_to(self.folder):
                    found.add(int(entry.name))
        return found


@contextlib.contextmanager
def _up(folder: Path, **more: str) -> Iterator[Street]:
    mark = uuid.uuid4().hex
    env = {name: value for name, value in os.environ.items() if name not in SERVERS}
    env |= {"TERRACE_DATA_DIR": str(folder), "TERRACE_TEST_MARK": mark, "NO_COLOR": "1", **more}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    log = folder.with_suffix(".out")
    with log.open("wb") as output:
        process = start_process(
            [sys.executable, "-c", UP, str(ROOT), "up"],
            death_signal=signal.SIGTERM,
            env=env,
            output=output,
        )
    street = Street(process, folder, log, mark)
    try:
        yield street
    finally:
        process.kill()
        process.wait()
        _wait(lambda: not street.processes(), "everything has ended", GONE_SECONDS)


@contextlib.contextmanager
def _up_at_a_port_of(thief: socket.socket, folder: Path) -> Iterator[Street]:
    """Both ask for SO_REUSEADDR, so both may bind; whoever listens first has the port."""
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    thief.bind(("127.0.0.1", 0))
    with _up(folder, TERRACE_PORT=str(thief.getsockname()[1])) as street:
        yield street


@pytest.fixture(scope="module")
def street_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all of these: making the demo tenants takes longest."""
    return tmp_path_factory.mktemp("up") / "street"


def _wait_until_ready(street: Street) -> None:
    _wait(
        lambda: "Terrace is ready" in street.says() or street.process.poll() is not None,
        "Terrace is ready",
        UP_SECONDS,
    )
    assert street.process.poll() is None, street.says()


def _get(port: int, host: str) -> tuple[int, str]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request("GET", "/", headers={"Host": f"{host}:{port}"})
        answer = link.getresponse()
        return answer.status, answer.read().decode()
    finally:
        link.close()


def _end_by(street: Street, number: signal.Signals) -> None:
    """Send a signal; every process is gone, and the exit status says why."""
    street.process.send_signal(number)
    street.process.wait(GONE_SECONDS)
    _wait(lambda: not street.processes(), f"everything has ended by {number!r}", GONE_SECONDS)
    expected = -number if number == signal.SIGKILL else 128 + number
    assert street.process.returncode == expected, street.says()


@pytest.mark.slow
@pytest.mark.chaos
def test_up_serves_and_leaves_nothing_behind(street_folder: Path) -> None:
    """One data folder through every way to end, each followed by a start on what is left."""
    folder = street_folder
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        for number in (signal.SIGKILL, signal.SIGINT):
            with _up(folder, TERRACE_PORT=str(taken)) as street:
                _wait_until_ready(street)
                port = street.port()
                assert port > taken
                assert f"Port {taken} is busy: using {port}." in street.says()
                assert _get(port, "localhost")[0] == 200
                assert _get(port, "acme.localhost")[0] == 200
                assert _get(port, "nobody.localhost")[0] == 404
                assert re.search(r"password \S+", street.says())
                for name in ("web", "worker", "beat"):
                    assert re.search(rf"^{name:<7}\| ", street.says(), re.MULTILINE)
                running = street.processes()
                assert len(running) > 6
                _end_by(street, number)


@pytest.mark.slow
@pytest.mark.chaos
def test_up_takes_another_port_and_says_which_process_ended(street_folder: Path) -> None:
    with socket.socket() as thief, _up_at_a_port_of(thief, street_folder) as street:
        _wait(lambda: "Migrating" in street.says(), "it holds the port", UP_SECONDS)
        thief.listen()
        _wait_until_ready(street)
        assert "Another program took the port meanwhile" in street.says()
        assert street.port() > thief.getsockname()[1]
        beat = next(
            pid
            for pid in street.processes()
            if b"\0beat\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(beat, signal.SIGKILL)
        assert street.process.wait(GONE_SECONDS) == 1
        assert "beat ended by signal 9. Its last lines:" in street.says()
        assert not street.processes()


@pytest.mark.slow
def test_a_second_up_names_the_first_and_manage_uses_its_servers(street_folder: Path) -> None:
    folder = street_folder
    with _up(folder) as street:
        _wait_until_ready(street)
        env = {name: value for name, value in os.environ.items() if name not in SERVERS}
        env["TERRACE_DATA_DIR"] = str(folder)
        env.pop("DJANGO_SETTINGS_MODULE", None)

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-c", UP, str(ROOT), *arguments]
            return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

        second = run("up")
        assert second.returncode == 1
        assert f"in use by process {street.process.pid} (./terrace up)" in second.stdout
        shown = run("manage", "diffsettings", "--output", "unified")
        assert shown.returncode == 0, shown.stderr
        assert f"REDIS_URL = '{_redis_url(folder)}'" in shown.stdout
        _end_by(street, signal.SIGTERM)


def _redis_url(folder: Path) -> str:
    told = json.loads((folder / "lock").read_text())
    return str(told["env"]["REDIS_URL"])
