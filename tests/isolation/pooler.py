"""Starts Debian's PgBouncer before the tests' PostgreSQL."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CONFIGURATION = """
[databases]
app = {app}
owner = {owner}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {servers}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits,options
logfile = {folder}/log
pidfile = {folder}/pid
"""


@dataclass(frozen=True, slots=True)
class Pooler:
    """A running PgBouncer.

    Attributes:
        app: URL of the application's login through it.
        owner: URL of the owner's, for stock django-tenants.
    """

    app: str
    owner: str


@contextlib.contextmanager
def run_pgbouncer(*, database: str, mode: str, servers: int) -> Iterator[Pooler]:
    """PgBouncer on a free port of loopback, until the block ends.

    Args:
        mode: `transaction` or `session`.
        servers: how many connections to PostgreSQL it shares out.
    Raises:
        RuntimeError: it did not start; the message is its log.
    """
    program = os.environ.get("TERRACE_PGBOUNCER") or shutil.which(
        "pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin"
    )
    if program is None:
        raise RuntimeError("No PgBouncer was found. Install it: apt-get install -y pgbouncer")
    # Not pytest's tmp_path: its parents are closed to the user that PgBouncer runs as.
    folder = Path(tempfile.mkdtemp(prefix="terrace-pgbouncer-"))
    port = _free_port()
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        CONFIGURATION.format(
            app=_target("DATABASE_URL", database),
            owner=_target("DATABASE_ADMIN_URL", database),
            port=port,
            mode=mode,
            servers=servers,
            folder=folder,
        )
    )
    command = [program, str(configuration)]
    if os.geteuid() == 0:  # it refuses to run as root
        nobody = pwd.getpwnam("nobody")
        for path in (folder, configuration):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        command = ["setpriv", f"--reuid={nobody.pw_uid}", "--clear-groups", *command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process, folder / "log")
        address = f"127.0.0.1:{port}"
        yield Pooler(
            app=f"postgresql://terrace_app@{address}/app",
            owner=f"postgresql://terrace_owner@{address}/owner",
        )
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


def _target(variable: str, database: str) -> str:
    """Where PgBouncer connects to: the role is given here, so that it asks clients for none."""
    wanted = ("host", "port", "user", "password")
    given = conninfo_to_dict(os.environ.get(f"TERRACE_TCP_{variable}") or os.environ[variable])
    return make_conninfo(dbname=database, **{name: given[name] for name in wanted if name in given})


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"PgBouncer did not start:\n{log.read_text() if log.exists() else ''}")
