"""PostgreSQL 18 for one data folder: made once, started, stopped, never two of them."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from config.embedded.binaries import postgresql_bin
from config.embedded.errors import ServerFailed
from config.embedded.identity import choose_identity
from config.embedded.processes import (
    is_alive,
    last_lines,
    run_process,
    start_process,
    stop_process,
)

MAJOR = "18"
SUPERUSER = "postgres"
# sockaddr_un.sun_path has 108 bytes, the last of which is NUL (unix(7)).
SOCKET_PATH_BYTES = 107
PORT = 5432
LONGEST_SOCKET_NAME = ".s.PGSQL.65535"
START_SECONDS = 60.0

SETTINGS = {
    "max_connections": "200",
    # A schema with its tables, indexes and sequences is dropped or copied in one transaction.
    "max_locks_per_transaction": "512",
    "shared_buffers": "128MB",
    "unix_socket_permissions": "0700",
    "track_activity_query_size": "4096",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Many small queries: neither compiling nor spreading them pays, and /dev/shm may be tiny.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
}


@dataclass(frozen=True, slots=True)
class PostgreSQL:
    """A running server: how to reach it."""

    process: subprocess.Popen[bytes]
    socket_dir: Path
    password: str
    port: int

    def url(self, user: str, database: str) -> str:
        """A libpq URL over the unix socket, which django-environ reads as well."""
        folder = quote(str(self.socket_dir), safe="")
        return f"postgresql://{user}@/{database}?host={folder}&port={self.port}"

    def tcp_url(self, user: str, database: str) -> str:
        """A libpq URL over loopback, with the password that it asks for there."""
        return f"postgresql://{user}:{self.password}@127.0.0.1:{self.port}/{database}"


@contextlib.contextmanager
def run_postgresql(home: Path, *, log: Path, durable: bool, tcp: bool) -> Iterator[PostgreSQL]:
    """Run a server on `home` for the time of the context. The caller holds the folder's lock.

    Args:
        home: holds `data` (the cluster) and `run` (its socket); made if it doesn't exist.
        durable: False gives up crash safety for speed; for data that is thrown away.
        tcp: listen on a free loopback port too, where a password is asked for.
    Raises:
        ServerFailed: it can't be made or started; the message ends with its last lines.
        NoFitIdentity: see choose_identity.
    """
    programs = postgresql_bin()
    identity = choose_identity(home, programs / "postgres")
    data = home / "data"
    _end_leftover(data)
    _make_cluster(home, programs, identity)
    socket_dir = _make_socket_dir(home)
    port = free_port() if tcp else PORT
    settings = dict(SETTINGS)
    if not durable:
        settings |= THROW_AWAY
    settings["listen_addresses"] = "127.0.0.1" if tcp else ""
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(socket_dir), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with log.open("ab") as output:
        process = start_process(
            command,
            death_signal=signal.SIGINT if durable else signal.SIGQUIT,
            identity=identity,
            cwd=home,
            output=output,
        )
    try:
        _wait_until_ready(process, data, log)
        yield PostgreSQL(process, socket_dir, (home / "password").read_text(), port)
    finally:
        # Fast shutdown disconnects everybody and writes a checkpoint; immediate shutdown just ends
        # (PostgreSQL manual, section 18.5).
        fast = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
        stop_process(process, *(fast if durable else fast[1:]))
        _remove_socket_dir(home)


def free_port() -> int:
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _make_cluster(home: Path, programs: Path, identity: str) -> None:
    """Run initdb beside the final place and rename, so that a cluster is whole or not there."""
    data = home / "data"
    if data.exists():
        found = (data / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise ServerFailed(
                f"{data} was made by PostgreSQL {found}, and this is {MAJOR}. Dump it with the old "
                "version and restore it with this one, or remove the folder to start afresh."
            )
        return
    fresh = home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    password = home / "password"
    password.write_text(secrets.token_urlsafe(24))
    password.chmod(0o600)
    owner = home.stat()
    if os.geteuid() == 0:
        os.chown(password, owner.st_uid, owner.st_gid)
    made = run_process(
        [
            str(programs / "initdb"),
            f"--pgdata={fresh}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
            "--no-instructions",
        ],
        identity=identity,
        cwd=home,
    )
    if made.returncode != 0:
        said = made.stdout.decode(errors="replace").strip()
        raise ServerFailed(f"initdb could not make {fresh}:\n{said}")
    fresh.rename(data)


def _end_leftover(data: Path) -> None:
    """Wait for a server whose owner was killed, and forget a stale postmaster.pid.

    We hold the folder's lock, so whoever still works there is ending, or must.
    """
    pid_file = data / "postmaster.pid"
    deadline = time.monotonic() + 20
    while (pid := _postmaster(data)) is not None:
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _postmaster(data: Path) -> int | None:
    """The process named by postmaster.pid, if it lives and really works on this cluster.

    After a restart of the machine, or in a container, its number may belong to another program.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        works_in = Path(f"/proc/{pid}/cwd").readlink()
    except (OSError, ValueError, IndexError):
        return None
    return pid if works_in == data.resolve() and is_alive(pid) else None


def _wait_until_ready(process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    """Wait for the status line that the server writes for pg_ctl (its 8th line)."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, IndexError):
            lines = (data / "postmaster.pid").read_text().splitlines()
            if lines[7].strip() == "ready":
                return
        time.sleep(0.02)
    raise ServerFailed(f"PostgreSQL did not start. The end of {log}:\n{last_lines(log)}")


def _make_socket_dir(home: Path) -> Path:
    """`home/run`, or a short folder that `home/run` leads to where the path can't be used."""
    _remove_socket_dir(home)
    run = home / "run"
    owner = home.stat()
    # libpq reads a comma as the end of a host's name.
    if len(os.fsencode(run / LONGEST_SOCKET_NAME)) <= SOCKET_PATH_BYTES and "," not in str(run):
        run.mkdir(mode=0o700)
        folder = run
    else:
        folder = Path(tempfile.mkdtemp(prefix="terrace-", dir="/tmp"))
        run.symlink_to(folder)
    if os.geteuid() == 0:
        os.chown(folder, owner.st_uid, owner.st_gid)
    return folder


def _remove_socket_dir(home: Path) -> None:
    run = home / "run"
    if run.is_symlink():
        shutil.rmtree(run.readlink(), ignore_errors=True)
        run.unlink()
    else:
        shutil.rmtree(run, ignore_errors=True)
