"""PostgreSQL and Valkey where no URL names servers of one's own: found, started, stopped.

with start_services(Path(".terrace"), durable=True, purpose="./terrace up") as services:
    subprocess.run([...], env={**os.environ, **services.env})
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded.errors import (
    BinariesMissing,
    DataDirInUse,
    EmbeddedError,
    NoFitIdentity,
    ServerFailed,
)
from config.embedded.folder_lock import FolderLock, Holder, holder_of, lock_folder
from config.embedded.postgresql import SUPERUSER, PostgreSQL, run_postgresql
from config.embedded.processes import is_alive
from config.embedded.valkey import run_valkey
from shared_apps.tenants.postgresql.bootstrap import bootstrap_database

__all__ = [
    "BinariesMissing",
    "DataDirInUse",
    "EmbeddedError",
    "Holder",
    "NoFitIdentity",
    "ServerFailed",
    "Services",
    "holder_of",
    "is_alive",
    "start_services",
]

DATABASE = "terrace"
OWNER = "terrace_owner"
APP = "terrace_app"


@dataclass(frozen=True, slots=True)
class Services:
    """Servers that run: the environment that leads to them, and what was started here.

    Attributes:
        env: DATABASE_URL (terrace_app), DATABASE_ADMIN_URL (terrace_owner),
            DATABASE_SUPERUSER_URL and REDIS_URL; over unix sockets where we started PostgreSQL.
        tcp_env: the same database URLs over loopback TCP; empty unless asked for.
        pids: process ids of the servers that were started here, by name.
    """

    env: Mapping[str, str]
    tcp_env: Mapping[str, str] = field(default_factory=dict)
    pids: Mapping[str, int] = field(default_factory=dict)


@contextlib.contextmanager
def start_services(
    data_dir: Path, *, durable: bool, tcp: bool = False, purpose: str = "tests"
) -> Iterator[Services]:
    """Have PostgreSQL and Valkey for the time of the context, with roles and database made.

    A server that DATABASE_URL or REDIS_URL names is used, and none is started for it. What is
    started ends with the context, and with this process, however it ends. Call it from the main
    thread.

    Args:
        data_dir: where data, sockets and logs are kept; made if it doesn't exist.
        durable: False gives up crash safety for speed.
        tcp: let PostgreSQL listen on a loopback port as well, with passwords.
        purpose: what this process is doing, for whoever finds the folder in use.
    Raises:
        DataDirInUse: a living process works on this folder.
        EmbeddedError: a server can't be had; the sentence says why.
    """
    with contextlib.ExitStack() as stack:
        env = {name: os.environ[name] for name in _given()}
        tcp_env: dict[str, str] = {}
        pids: dict[str, int] = {}
        lock: FolderLock | None = None
        if not {"DATABASE_URL", "REDIS_URL"} <= env.keys():
            data_dir = _make_folder(data_dir)
            lock = stack.enter_context(lock_folder(data_dir, purpose=purpose))
            logs = data_dir / "logs"
            logs.mkdir(exist_ok=True)
        if "DATABASE_URL" not in env:
            log = logs / "postgres.log"
            server = stack.enter_context(
                run_postgresql(data_dir / "postgres", log=log, durable=durable, tcp=tcp)
            )
            _prepare_database(server, with_password=tcp)
            env |= _urls(server.url)
            tcp_env = _urls(server.tcp_url) if tcp else {}
            pids["postgres"] = server.process.pid
        if "REDIS_URL" not in env:
            log = logs / "valkey.log"
            valkey = stack.enter_context(run_valkey(data_dir / "valkey", log=log, durable=durable))
            env["REDIS_URL"] = valkey.url
            pids["valkey"] = valkey.process.pid
        if lock:
            lock.tell(env)
        yield Services(env, tcp_env, pids)


def _given() -> list[str]:
    names = ["REDIS_URL"]
    if os.environ.get("DATABASE_URL"):
        names += ["DATABASE_URL", "DATABASE_ADMIN_URL", "DATABASE_SUPERUSER_URL"]
    return [name for name in names if os.environ.get(name)]


def _make_folder(data_dir: Path) -> Path:
    data_dir = data_dir.absolute()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoFitIdentity(
            f"{data_dir} can't be made: {error.strerror}. "
            "Set TERRACE_DATA_DIR to a folder that you may write to."
        ) from None
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise NoFitIdentity(
            f"You may not write to {data_dir}. Set TERRACE_DATA_DIR to a folder of yours."
        )
    return data_dir


def _prepare_database(server: PostgreSQL, *, with_password: bool) -> None:
    password = server.password if with_password else None
    refused = bootstrap_database(
        server.url(SUPERUSER, "postgres"),
        database=DATABASE,
        owner=OWNER,
        app=APP,
        owner_password=password,
        app_password=password,
    ).refused
    if refused:
        raise ServerFailed("PostgreSQL could not be prepared:\n" + "\n".join(refused))


def _urls(url: Callable[[str, str], str]) -> dict[str, str]:
    return {
        "DATABASE_URL": url(APP, DATABASE),
        "DATABASE_ADMIN_URL": url(OWNER, DATABASE),
        "DATABASE_SUPERUSER_URL": url(SUPERUSER, DATABASE),
    }
