"""./terrace up: servers, migrations, demo tenants, web, worker and beat, until it is stopped."""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from config.embedded import EmbeddedError, start_services
from config.embedded.processes import last_lines, start_process, stop_process
from config.launcher.environment import data_folder, environment_for
from config.launcher.supervising import Child, ChildEnded, StopAsked, Supervisor, stopping_by_signal
from config.launcher.terminal import coloured, say

SETTINGS = "config.settings.local"
FIRST_PORT = 8000
PORTS_TRIED = 100
LAST_PORT = 65_535
READY_SECONDS = 60.0


class StepFailed(Exception):
    """A step before the processes failed; the message has its last lines."""


def run_up(root: Path) -> int:
    """Run everything until Ctrl-C, SIGTERM or SIGHUP; the exit status says how it ended."""
    data_dir = data_folder(root)
    began = time.monotonic()
    supervisor = Supervisor(root, data_dir / "logs")
    try:
        with stopping_by_signal(supervisor.kill):
            _run(root, data_dir, supervisor, began)
    except StopAsked as stop:
        return 128 + stop.number
    except (EmbeddedError, ChildEnded, StepFailed) as error:
        say(coloured(str(error), "bad"))
        return 1


def _run(root: Path, data_dir: Path, supervisor: Supervisor, began: float) -> NoReturn:
    say("Starting PostgreSQL and Valkey …")
    with start_services(data_dir, durable=True, purpose="./terrace up") as services:
        env = environment_for(services.env, data_dir=data_dir)
        env.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
        while True:
            try:
                with hold_port() as port:
                    _serve(root, data_dir, supervisor, {**env, "TERRACE_PORT": str(port)}, began)
            except ChildEnded as ended:
                if ended.name != "web" or not any("already in use" in said for said in ended.tail):
                    raise
                say("Another program took the port meanwhile: once more, with the next one.")


def _serve(
    root: Path, data_dir: Path, supervisor: Supervisor, env: Mapping[str, str], began: float
) -> None:
    """Prepare the database, then run web, worker and beat until one of them ends."""
    port = int(env["TERRACE_PORT"])
    say("Migrating, and seeding the demo tenants …")
    prepared = prepare_database(root, data_dir / "logs", env)
    try:
        for child in _children(env, port):
            supervisor.start(child)
        supervisor.run_until(
            lambda: _answers(port) and supervisor.said("worker", " ready."),
            seconds=READY_SECONDS,
        )
        say(_welcome(prepared, port, data_dir, time.monotonic() - began))
        supervisor.run_until(lambda: False)
    finally:
        say("Stopping …")
        supervisor.stop()


@contextlib.contextmanager
def hold_port() -> Iterator[int]:
    """Bind TERRACE_PORT, or 8000, or the next port above it that nobody has.

    The socket doesn't listen, and SO_REUSEADDR lets our own web server bind beside it (socket(7));
    programs that don't ask for that find the port taken.

    Raises:
        StepFailed: no port is free, or TERRACE_PORT is none.
    """
    named = os.environ.get("TERRACE_PORT") or str(FIRST_PORT)
    if not named.isdigit() or not 0 < int(named) <= LAST_PORT:
        raise StepFailed(f"TERRACE_PORT is {named!r}: set it to a port number, such as 8000.")
    first = int(named)
    last = min(first + PORTS_TRIED - 1, LAST_PORT)
    for port in range(first, last + 1):
        with socket.socket() as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port != first:
                say(f"Port {first} is busy: using {port}.")
            yield port
            return
    raise StepFailed(f"Ports {first} to {last} are all busy. Set TERRACE_PORT to another one.")


def prepare_database(root: Path, logs: Path, env: Mapping[str, str]) -> str:
    """Migrate and seed, in a process of its own; answer with what it said.

    Raises:
        StepFailed: it ended non-zero; the message has its last lines.
    """
    log = logs / "prepare.log"
    with log.open("wb") as output:
        process = start_process(
            [sys.executable, "-m", "config.launcher.preparing"],
            death_signal=signal.SIGTERM,
            cwd=root,
            env=env,
            output=output,
        )
        try:
            status = process.wait()
        finally:
            stop_process(process, (signal.SIGTERM, 5.0))
    if status != 0:
        raise StepFailed(f"The database could not be prepared:\n{last_lines(log, 30)}")
    return log.read_text(encoding="utf-8", errors="replace")


def _children(env: Mapping[str, str], port: int) -> list[Child]:
    # Root is who a container runs as; Celery's page of warning doesn't help there.
    quiet = ["-W", "ignore:You're running the worker with superuser"] if os.geteuid() == 0 else []
    celery = [sys.executable, *quiet, "-m", "celery", "--quiet", "--app", "config"]
    # A single worker has nobody to gossip with, and needn't wait for answers.
    worker = ["worker", "--loglevel", "INFO", "--concurrency", "2"]
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        Child(
            "worker",
            [*celery, *worker],
            env,
            # Warm, then cold shutdown (Celery manual, "Stopping the worker").
            stop=[(signal.SIGTERM, 10.0), (signal.SIGQUIT, 5.0)],
            death_signal=signal.SIGQUIT,
        ),
        Child(
            "beat",
            [*celery, "beat", "--loglevel", "INFO", "--pidfile="],
            env,
            stop=[(signal.SIGTERM, 5.0)],
            death_signal=signal.SIGTERM,
        ),
        Child(
            "web",
            [sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}"],
            # Django's reloader as its child part: it ends with RELOAD_STATUS instead of being
            # restarted by a parent of its own, which would be one more process to leave behind.
            {**env, "RUN_MAIN": "true"},
            stop=[(signal.SIGTERM, 5.0)],
            death_signal=signal.SIGKILL,
        ),
    ]


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _welcome(prepared: str, port: int, data_dir: Path, seconds: float) -> str:
    """Addresses and demo logins, from the JSON that seed_demo ends with."""
    told = json.loads(prepared.strip().splitlines()[-1])
    lines = ["", coloured(f"Terrace is ready ({seconds:.1f} s).", "good"), ""]
    lines += [f"  {place['name']:<22}{place['url']}" for place in told["addresses"]]
    lines += ["", "  Demo logins"]
    lines += [
        f"  {login['where']:<22}{login['email']}  password {login['password']}  ({login['role']})"
        for login in told["logins"]
    ]
    lines += [
        "",
        f"  Mails are files in {data_dir / 'mails'}, logs in {data_dir / 'logs'}.",
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
