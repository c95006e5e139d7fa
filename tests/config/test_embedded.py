"""PostgreSQL and Valkey of our own: started, stopped, killed, and started again on what is left."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import redis

from config.embedded import DataDirInUse, ServerFailed, holder_of, start_services
from config.embedded.errors import NoFitIdentity
from config.embedded.identity import choose_identity
from config.embedded.processes import is_alive
from config.embedded.throw_away import throw_away_folder

ROOT = Path(__file__).resolve().parents[2]
URLS = ("DATABASE_URL", "DATABASE_ADMIN_URL", "DATABASE_SUPERUSER_URL", "REDIS_URL")
GONE_SECONDS = 20

# A process that owns servers until it is ended; it says where they are.
OWNER = """
import json, os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from config.embedded import start_services
from config.embedded.child import die_with
die_with(os.getppid(), signal.SIGKILL)
with start_services(Path(sys.argv[1]), durable=True, purpose="a test") as services:
    print(json.dumps({"env": dict(services.env), "pids": dict(services.pids)}), flush=True)
    time.sleep(600)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(autouse=True)
def _no_servers_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests start servers of their own beside the suite's."""
    for name in URLS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that everybody may enter, which pytest's own temporary folders are not."""
    made = Path(tempfile.mkdtemp(prefix="terrace-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _one(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still alive: {[p for p in pids if is_alive(p)]}"
        time.sleep(0.05)


@contextlib.contextmanager
def _owner(
    folder: Path, command: list[str] | None = None, **options: object
) -> Iterator[tuple[subprocess.Popen[str], dict[str, dict[str, object]]]]:
    command = command or [sys.executable, "-c", OWNER, str(folder), str(ROOT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]  # options are Popen's
    try:
        line = process.stdout.readline()
        assert line, f"the owner ended with status {process.wait()}"
        yield process, json.loads(line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_urls_lead_to_the_roles(folder: Path) -> None:
    with start_services(folder, durable=False) as services:
        users = {name: _one(services.env[name], "SELECT current_user") for name in URLS[:3]}
        assert users == {
            "DATABASE_URL": "terrace_app",
            "DATABASE_ADMIN_URL": "terrace_owner",
            "DATABASE_SUPERUSER_URL": "postgres",
        }
        version = _one(services.env["DATABASE_URL"], "SHOW server_version")
        assert str(version).startswith("18.")
        locale = (
            "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'terrace'"
        )
        assert _one(services.env["DATABASE_URL"], locale) == "bC.UTF-8"
        with redis.Redis.from_url(services.env["REDIS_URL"]) as client:
            assert client.ping()
    assert holder_of(folder) is None
    _wait_until_gone(list(services.pids.values()))


def test_data_is_there_after_a_second_start(folder: Path) -> None:
    with start_services(folder, durable=True) as services:
        with psycopg.connect(services.env["DATABASE_ADMIN_URL"]) as connection:
            connection.execute("CREATE TABLE public.kept AS SELECT 42 AS n")
        with redis.Redis.from_url(services.env["REDIS_URL"]) as client:
            client.set("kept", "42")
    with start_services(folder, durable=True) as services:
        assert _one(services.env["DATABASE_ADMIN_URL"], "SELECT n FROM public.kept") == 42
        with redis.Redis.from_url(services.env["REDIS_URL"]) as client:
            assert client.get("kept") == b"42"


def test_only_throw_away_data_is_without_fsync(folder: Path) -> None:
    with start_services(folder, durable=True) as services:
        assert _one(services.env["DATABASE_URL"], "SHOW fsync") == "on"
    with start_services(folder, durable=False) as services:
        assert _one(services.env["DATABASE_URL"], "SHOW fsync") == "off"


def test_loopback_asks_for_a_password(folder: Path) -> None:
    with start_services(folder, durable=False, tcp=True) as services:
        url = services.tcp_env["DATABASE_URL"]
        assert _one(url, "SELECT current_user") == "terrace_app"
        parts = urlsplit(url)
        without = url.replace(f":{parts.password}@", "@")
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(without)
        valkey = urlsplit(services.env["REDIS_URL"])
        with (
            redis.Redis(host="127.0.0.1", port=valkey.port or 0) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_no_tcp_unless_asked_for(folder: Path) -> None:
    with start_services(folder, durable=False) as services:
        assert services.tcp_env == {}
        assert _one(services.env["DATABASE_URL"], "SHOW listen_addresses") == ""


def test_given_servers_are_used_and_none_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@db.example/terrace")
    monkeypatch.setenv("REDIS_URL", "redis://cache.example/0")
    with start_services(folder / "unused", durable=True) as services:
        assert services.env == {
            "DATABASE_URL": "postgresql://somebody@db.example/terrace",
            "REDIS_URL": "redis://cache.example/0",
        }
        assert services.pids == {}
    assert not (folder / "unused").exists()


def test_a_folder_in_use_names_the_process(folder: Path) -> None:
    with _owner(folder) as (process, _):
        holder = holder_of(folder)
        assert holder is not None
        assert (holder.pid, holder.purpose) == (process.pid, "a test")
        with (
            pytest.raises(DataDirInUse, match=rf"in use by process {process.pid} \(a test\)"),
            start_services(folder, durable=True),
        ):
            pass


@pytest.mark.chaos
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_outlives_its_owner(folder: Path, number: signal.Signals) -> None:
    with _owner(folder) as (process, told), psycopg.connect(str(told["env"]["DATABASE_URL"])):
        process.send_signal(number)
        process.wait(GONE_SECONDS)
        _wait_until_gone([int(str(pid)) for pid in told["pids"].values()])


@pytest.mark.chaos
def test_a_killed_owners_folder_is_usable_at_once(folder: Path) -> None:
    with _owner(folder) as (process, told):
        with psycopg.connect(str(told["env"]["DATABASE_ADMIN_URL"])) as connection:
            connection.execute("CREATE TABLE public.kept AS SELECT 42 AS n")
        process.kill()
        process.wait()
        with start_services(folder, durable=True) as services:
            assert _one(services.env["DATABASE_ADMIN_URL"], "SELECT n FROM public.kept") == 42


@pytest.mark.chaos
def test_a_killed_server_leaves_a_usable_folder(folder: Path) -> None:
    with _owner(folder) as (process, told):
        for pid in told["pids"].values():
            os.kill(int(str(pid)), signal.SIGKILL)
        process.kill()
    with start_services(folder, durable=True) as services:
        assert _one(services.env["DATABASE_URL"], "SELECT 1") == 1


def test_a_stale_pid_file_is_no_obstacle(folder: Path) -> None:
    with start_services(folder, durable=True):
        pid_file = folder / "postgres" / "data" / "postmaster.pid"
        text = pid_file.read_text()
    # The number now belongs to a program that lives and isn't PostgreSQL: this one.
    pid_file.write_text(f"{os.getpid()}\n{text.partition(chr(10))[2]}")
    with start_services(folder, durable=True) as services:
        assert _one(services.env["DATABASE_URL"], "SELECT 1") == 1


def test_a_path_too_long_for_a_socket_gets_a_short_one(folder: Path) -> None:
    deep = folder / ("long-" * 15) / ("longer-" * 10)
    with start_services(deep, durable=False) as services:
        assert _one(services.env["DATABASE_URL"], "SELECT 1") == 1
        query = parse_qs(urlsplit(services.env["DATABASE_URL"]).query)
        socket_dir = Path(query["host"][0])
        assert not socket_dir.is_relative_to(folder)
    assert not socket_dir.exists()


@pytest.mark.chaos
def test_a_short_socket_folder_of_a_killed_owner_is_removed(folder: Path) -> None:
    deep = folder / ("long-" * 15) / ("longer-" * 10)
    with _owner(deep) as (process, _):
        process.kill()
    left = (deep / "postgres" / "run").readlink()
    with start_services(deep, durable=True):
        assert not left.exists()


def test_a_folder_name_with_anything_in_it(folder: Path) -> None:
    with start_services(folder / "50% of A+B, 'ü' & c", durable=False) as services:
        assert _one(services.env["DATABASE_URL"], "SELECT 1") == 1


def test_an_interrupted_initdb_is_made_anew(folder: Path) -> None:
    half = folder / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with start_services(folder, durable=False) as services:
        assert _one(services.env["DATABASE_URL"], "SELECT 1") == 1


def test_a_cluster_of_another_version_is_refused(folder: Path) -> None:
    data = folder / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    with (
        pytest.raises(ServerFailed, match="made by PostgreSQL 17, and this is 18"),
        start_services(folder, durable=True),
    ):
        pass


def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    with start_services(folder, durable=True):
        pass
    settings = folder / "postgres" / "data" / "postgresql.conf"
    settings.write_text(settings.read_text() + "no_such_setting = 1\n")
    with (
        pytest.raises(ServerFailed, match="no_such_setting"),
        start_services(folder, durable=True),
    ):
        pass


def test_throw_away_folders_of_the_dead_are_swept(folder: Path) -> None:
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    left = folder / f"{dead.pid}-left"
    left.mkdir()
    with throw_away_folder(folder) as mine:
        assert not left.exists()
        with throw_away_folder(folder):
            assert mine.exists()
    assert list(folder.iterdir()) == []


def _python_of_everybody() -> str:
    """An interpreter that `nobody` may run and that has this environment's packages' version."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    nobody = pwd.getpwnam("nobody")
    for program in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        with contextlib.suppress(OSError):
            asked = subprocess.run([program, "-c", ""], user=nobody.pw_uid, check=False)
            if asked.returncode == 0:
                return program
    pytest.skip(f"no Python {version} that an ordinary user may run")


@as_root
def test_root_runs_postgresql_as_somebody_else(folder: Path) -> None:
    with start_services(folder, durable=False) as services:
        pid = services.pids["postgres"]
        inside = Path(f"/proc/{pid}/uid_map").read_text().split()
        outside = Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].split()[1]
        assert inside[0] != "0" or outside != "0"


@as_root
def test_root_uses_a_folder_of_an_ordinary_user_as_that_user(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    with start_services(folder, durable=False) as services:
        assert _one(services.env["DATABASE_URL"], "SELECT 1") == 1
    assert (folder / "postgres" / "data").stat().st_uid == nobody.pw_uid


@as_root
@pytest.mark.parametrize("named", [True, False], ids=["with a name", "without a name"])
def test_an_ordinary_user_starts_and_is_killed(folder: Path, *, named: bool) -> None:
    python = _python_of_everybody()
    taken = {user.pw_uid for user in pwd.getpwall()}
    user = pwd.getpwnam("nobody").pw_uid if named else max(set(range(20_000, 20_100)) - taken)
    project = folder / "project"
    for room in ("config", "shared_apps"):
        shutil.copytree(ROOT / room, project / room, ignore=shutil.ignore_patterns("__pycache__"))
    os.chown(folder, user, user)
    packages = os.pathsep.join(path for path in sys.path if path.endswith("-packages"))
    command = [python, "-c", OWNER, str(folder / "data"), str(project)]
    options = {
        "user": user,
        "group": user,
        "extra_groups": [],
        "env": {"PYTHONPATH": packages, "PATH": "/usr/bin:/bin"},
    }
    with _owner(folder, command, **options) as (process, told):
        assert _one(str(told["env"]["DATABASE_URL"]), "SELECT current_user") == "terrace_app"
        process.kill()
        process.wait()
        _wait_until_gone([int(str(pid)) for pid in told["pids"].values()])


@as_root
def test_a_folder_of_somebody_else_is_refused_by_name(folder: Path) -> None:
    (folder / "postgres").mkdir()
    child = os.fork()
    if child == 0:
        os.setuid(pwd.getpwnam("nobody").pw_uid)
        try:
            choose_identity(folder / "postgres", Path("/bin/true"))
        except NoFitIdentity as error:
            os._exit(0 if "belongs to root. Run Terrace as root" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@as_root
@pytest.mark.parametrize("closed", [False, True], ids=["open folder", "closed folder"])
def test_root_without_user_namespaces_uses_nobody(folder: Path, *, closed: bool) -> None:
    if closed:
        folder.chmod(0o700)
    with (
        _without_user_namespaces() as enter,
        _owner(folder / "data", preexec_fn=enter) as (process, told),
    ):
        pid = int(str(told["pids"]["postgres"]))
        user = Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].split()[1]
        assert int(user) == pwd.getpwnam("nobody").pw_uid
        process.kill()
        process.wait()
        _wait_until_gone([pid])


@contextlib.contextmanager
def _without_user_namespaces() -> Iterator[Callable[[], None]]:
    """A function that puts a child where root is root and no user namespace may be made."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare.argtypes = [ctypes.c_int]
    asked, answer = os.pipe(), os.pipe()
    mapper = os.fork()
    if mapper == 0:
        # Only a process outside may give the new namespace all of the users.
        pid = int(os.read(asked[0], 32))
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{kind}").write_text("0 0 65536")
        os.write(answer[1], b"mapped")
        os._exit(0)

    def enter() -> None:
        if libc.unshare(0x10000000) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        os.write(asked[1], str(os.getpid()).encode())
        os.read(answer[0], 6)
        Path("/proc/sys/user/max_user_namespaces").write_text("0")

    yield enter
    os.waitpid(mapper, 0)
    for descriptor in (*asked, *answer):
        os.close(descriptor)
