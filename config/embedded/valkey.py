"""Valkey for one data folder, on a loopback port that asks for a password."""

import contextlib
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.embedded.binaries import valkey_server
from config.embedded.errors import ServerFailed
from config.embedded.postgresql import free_port
from config.embedded.processes import last_lines, start_process, stop_process

START_SECONDS = 20.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Valkey:
    """A running server: how to reach it."""

    process: subprocess.Popen[bytes]
    port: int
    password: str

    @property
    def url(self) -> str:
        """Its address for redis-py, django-redis and Celery; database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


@contextlib.contextmanager
def run_valkey(home: Path, *, log: Path, durable: bool) -> Iterator[Valkey]:
    """Run a server on `home` for the time of the context. The caller holds the folder's lock.

    Args:
        home: its folder, made if it doesn't exist.
        durable: True keeps what is written in an append-only file, synced each second.
    Raises:
        ServerFailed: it can't be started; the message ends with its last lines.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = _start(home, log=log, durable=durable)
    try:
        yield server
    finally:
        stop_process(server.process, (signal.SIGTERM, 10.0))


def _start(home: Path, *, log: Path, durable: bool) -> Valkey:
    program = valkey_server()
    # Another program may take the port between our look and the server's bind.
    for _ in range(ATTEMPTS):
        port, password = free_port(), secrets.token_urlsafe(24)
        _write_settings(home, port=port, password=password, durable=durable)
        with log.open("ab") as output:
            process = start_process(
                [str(program), str(home / "valkey.conf")],
                death_signal=signal.SIGTERM if durable else signal.SIGKILL,
                cwd=home,
                output=output,
            )
        if _answers(process, port, password):
            return Valkey(process, port, password)
        stop_process(process)
    raise ServerFailed(f"Valkey did not start. The end of {log}:\n{last_lines(log)}")


def _write_settings(home: Path, *, port: int, password: str, durable: bool) -> None:
    """Settings go through a file: a command line can be read by everybody on the machine."""
    settings = home / "valkey.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'save ""\nappendonly {"yes" if durable else "no"}\nappendfsync everysec\n'
        'dir "."\ndatabases 64\ndaemonize no\nalways-show-logo no\n'
    )


def _answers(process: subprocess.Popen[bytes], port: int, password: str) -> bool:
    """Wait for +PONG, the answer of a server that has loaded its data."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1) as link,
        ):
            link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            heard = b""
            while heard.count(b"\n") < 2 and (more := link.recv(4096)):  # noqa: PLR2004 (two answers)
                heard += more
            if b"+PONG" in heard:
                return True
        time.sleep(0.02)
    return False
