"""Real Celery workers for tests: processes of their own on the test database and broker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings

from tests.shared_apps.tenants.tasks import sample_tasks

ROOT = Path(__file__).resolve().parents[4]


def environment(**more: str) -> dict[str, str]:
    """What a process of the application needs to work on the test database."""
    name = settings.DATABASES["default"]["NAME"]
    urls = {
        variable: urlunsplit(urlsplit(os.environ[variable])._replace(path=f"/{name}"))
        for variable in ("DATABASE_URL", "DATABASE_ADMIN_URL")
    }
    return {**os.environ, **urls, "PYTHONPATH": os.pathsep.join(sys.path), **more}


class Worker:
    """A running worker, or beat."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log_path = log

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text(errors="replace")

    def wait_for_log(self, text: str, *, seconds: float = 20.0) -> None:
        """Wait until the log holds this."""
        wait_until(lambda: text in self.log, seconds=seconds, failure=lambda: self.log)

    def kill(self) -> None:
        """SIGKILL the worker and all of its processes."""
        kill_group(self.process)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL a process that leads its own group, with all in it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def running_worker(
    directory: Path, *options: str, concurrency: int = 2, **more: str
) -> Iterator[Worker]:
    """A worker that is ready to take tasks, until the block ends."""
    command = ["worker", "--concurrency", str(concurrency), "--without-gossip", "--without-mingle"]
    command += ["--include", sample_tasks.__name__, *options]
    with _running(directory, command, ready=" ready.", **more) as worker:
        yield worker


@contextmanager
def running_beat(directory: Path, **more: str) -> Iterator[Worker]:
    """A beat, until the block ends."""
    with _running(directory, ["beat"], ready="beat: Starting", **more) as beat:
        yield beat


@contextmanager
def _running(directory: Path, arguments: list[str], *, ready: str, **more: str) -> Iterator[Worker]:
    log = directory / f"{arguments[0]}-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "celery", "--app", "config", *arguments, "--loglevel", "INFO"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(**more),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    worker = Worker(process, log)
    try:
        worker.wait_for_log(ready, seconds=40)
        yield worker
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        kill_group(process)


def wait_until(
    reached: Callable[[], bool],
    *,
    seconds: float = 20.0,
    failure: Callable[[], str] = lambda: "It did not happen.",
) -> None:
    """Wait for a condition, and fail with a text if it does not come."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, failure()
        time.sleep(0.02)


def reports() -> list[dict[str, Any]]:
    """What the sample tasks reported so far, oldest first."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        lines: Any = client.lrange(sample_tasks.REPORTS, 0, -1)
    return [json.loads(line) for line in lines]


def wait_for_reports(count: int, *, seconds: float = 20.0) -> list[dict[str, Any]]:
    """The reports, once there are this many."""
    wait_until(lambda: len(reports()) >= count, seconds=seconds, failure=lambda: str(reports()))
    return reports()
