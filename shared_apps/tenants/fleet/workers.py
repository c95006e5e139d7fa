"""Processes that migrate schemas side by side, forked when all that they share has been made.

Each has a connection of its own; none touches what the parent has open. A process that is killed
costs its schema a try, and another one takes its place. All of them die with the parent.
"""

import ctypes
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from django.db import connections

from shared_apps.tenants.fleet.ledger import Outcome
from shared_apps.tenants.fleet.recording import HalfDone
from shared_apps.tenants.fleet.replaying import RETRIED
from shared_apps.tenants.schemas import OWNER

MAX_ATTEMPTS: Final = 5
# The first wait before another try, in seconds; then twice as long each time, and a random part.
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 8.0
_PR_SET_PDEATHSIG: Final = 1
_FORK = get_context("fork")

# Does the work of one schema: (schema name, what an earlier try has half done).
Work = Callable[[str, HalfDone], None]


@dataclass(frozen=True, slots=True)
class Order:
    """One schema to migrate."""

    schema_name: str
    half_done: HalfDone = field(default_factory=dict)


@dataclass(slots=True)
class _Waiting:
    order: Order
    attempts: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Process:
    process: Any
    pipe: Connection
    busy_with: _Waiting | None = None
    began: float = 0.0


def default_processes() -> int:
    """Twice the processors: half of a migration is waiting for PostgreSQL."""
    return 2 * (os.cpu_count() or 1)


def work_off(
    orders: Iterable[Order],
    work: Work,
    *,
    processes: int,
    may_go_on: Callable[[], bool],
) -> Iterator[Outcome]:
    """Do the work of all orders in forked processes, and give each outcome as it comes.

    A try that ran into somebody's lock is made again later, up to MAX_ATTEMPTS times; the others
    go on meanwhile.

    Args:
        work: runs in a forked process; whatever it raises is that schema's error.
        may_go_on: asked before each order is handed out; the rest is left when it says no.
    """
    ready = [_Waiting(order) for order in orders]
    ready.reverse()
    later: list[tuple[float, int, _Waiting]] = []
    pool = _Pool(work, min(processes, len(ready)))
    try:
        while ready or later or pool.is_busy():
            while later and later[0][0] <= time.monotonic():
                ready.append(heappop(later)[2])
            while ready and may_go_on() and pool.take(ready[-1]):
                ready.pop()
            if not pool.is_busy() and not (later and may_go_on()):
                return
            for waiting, error, is_retried in pool.answers(until=later[0][0] if later else None):
                if error and is_retried and waiting.attempts < MAX_ATTEMPTS and may_go_on():
                    pause = min(FIRST_WAIT * 2 ** (waiting.attempts - 1), LONGEST_WAIT)
                    due = time.monotonic() + pause * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                    heappush(later, (due, id(waiting), waiting))
                    continue
                yield Outcome(waiting.order.schema_name, error, waiting.attempts, waiting.seconds)
    finally:
        pool.close()


class _Pool:
    def __init__(self, work: Work, size: int) -> None:
        self._work = work
        self._processes = [self._fork() for _ in range(size)]

    def is_busy(self) -> bool:
        return any(process.busy_with for process in self._processes)

    def take(self, waiting: _Waiting) -> bool:
        """Hand an order to a process that has none. False where all have one."""
        idle = next((process for process in self._processes if not process.busy_with), None)
        if idle is None:
            return False
        idle.busy_with, idle.began = waiting, time.monotonic()
        waiting.attempts += 1
        try:
            idle.pipe.send((waiting.order.schema_name, waiting.order.half_done))
        except BrokenPipeError:  # it was killed; `answers` sees that, too
            return True
        return True

    def answers(self, *, until: float | None) -> Iterator[tuple[_Waiting, str, bool]]:
        """What came back: (order, error, whether another try may help). Waits for the first."""
        busy = {process.pipe: process for process in self._processes if process.busy_with}
        seconds = None if until is None else max(0.0, until - time.monotonic())
        if not busy:
            time.sleep(seconds or 0.0)
            return
        for pipe in wait(list(busy), seconds):
            process = busy[pipe]  # type: ignore[index] # wait() gives back what it was given
            waiting = process.busy_with
            if waiting is None:
                continue
            waiting.seconds += time.monotonic() - process.began
            process.busy_with = None
            try:
                error, is_retried = process.pipe.recv()
            except (EOFError, ConnectionResetError):
                self._replace(process)
                error, is_retried = "The process that migrated it was killed.", True
            yield waiting, error, is_retried

    def close(self) -> None:
        for process in self._processes:
            process.pipe.close()
        for process in self._processes:
            process.process.join(timeout=5)
            if process.process.is_alive():
                process.process.kill()
                process.process.join()

    def _replace(self, dead: _Process) -> None:
        dead.pipe.close()
        dead.process.join()
        self._processes[self._processes.index(dead)] = self._fork()

    def _fork(self) -> _Process:
        ours, theirs = _FORK.Pipe()
        process = _FORK.Process(target=_serve, args=(theirs, ours, self._work, os.getpid()))
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # Python 3.12 warns where there are threads. The child touches none of their things: it
            # makes its own connection, and locks of logging are made anew at a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        return _Process(process, ours)


# The parent's connections: kept so that nothing closes them from here.
_inherited: list[Any] = []


def _serve(pipe: Connection, parents_end: Connection, work: Work, parent: int) -> None:
    """The life of one forked process: an order, an answer, until the pipe is closed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask to die with it
        os._exit(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent is told, and closes the pipe
    parents_end.close()
    for alias in connections:
        _inherited.append(connections[alias])
        connections[alias] = connections.create_connection(alias)
    # Whatever happens to the parent's end, this process has nothing to clean up.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            schema_name, half_done = pipe.recv()
            pipe.send(_answer(work, schema_name, half_done))
    connections[OWNER].close()
    os._exit(0)


def _answer(work: Work, schema_name: str, half_done: HalfDone) -> tuple[str, bool]:
    try:
        work(schema_name, half_done)
    except Exception as error:  # noqa: BLE001 - it becomes the schema's line in the ledger
        if connections[OWNER].connection is not None and not connections[OWNER].is_usable():
            connections[OWNER].close()
        return describe(error), is_worth_another_try(error)
    return "", False


def describe(error: BaseException) -> str:
    """An error in one line, for the ledger and the table of who failed."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def is_worth_another_try(error: BaseException | None) -> bool:
    """Whether somebody's lock was in the way."""
    return error is not None and (
        isinstance(error, RETRIED) or is_worth_another_try(error.__cause__)
    )
