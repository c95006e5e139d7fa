"""Child processes side by side: logs with a prefix, an end that is noticed, all of them stopped."""

import contextlib
import os
import select
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from config.embedded.processes import kill_session, start_process
from config.launcher.terminal import coloured, say

# Django's reloader leaves with this status when a file has changed.
RELOAD_STATUS = 3
# A process that ends this soon after an edit is waited for: the next edit may mend it.
MENDING_SECONDS = 10.0
TICK_SECONDS = 0.2
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAsked(BaseException):
    """A signal asked us to stop. No Exception, so that nothing between takes it for a failure."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number, which makes the exit status."""
        super().__init__(number)
        self.number = number


class ChildEnded(Exception):
    """A process ended by itself; the message has its last lines."""

    def __init__(self, name: str, how: str, tail: Sequence[str]) -> None:
        """Keep what it said last, for whoever can tell why."""
        lines = "\n".join(f"    {line}" for line in tail)
        super().__init__(f"{name} ended {how}. Its last lines:\n{lines}")
        self.name = name
        self.tail = list(tail)


@dataclass(slots=True)
class Child:
    """One process, and how it is started and stopped.

    Attributes:
        name: the prefix of its lines, and the name of its log file.
        stop: signals and the seconds to wait for each; SIGKILL follows.
        death_signal: what the kernel sends it if we are killed.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    stop: Sequence[tuple[signal.Signals, float]]
    death_signal: signal.Signals
    process: subprocess.Popen[bytes] | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    rest: bytes = b""


class Supervisor:
    """Runs children until one ends or a signal comes. Use it as a context manager."""

    def __init__(self, root: Path, logs: Path) -> None:
        """Children run in `root`; what they say also goes to `logs`/NAME.log."""
        self._root = root
        self._logs = logs
        self._children: list[Child] = []
        self._files: dict[str, IO[bytes]] = {}
        self._selector = selectors.DefaultSelector()
        self._edited_at = float("-inf")

    def start(self, child: Child) -> None:
        """Start a child; it is stopped in the reverse order of the starts."""
        if child not in self._children:
            self._children.append(child)
            self._files[child.name] = (self._logs / f"{child.name}.log").open("wb")
        process = start_process(
            child.command,
            death_signal=child.death_signal,
            cwd=self._root,
            env=child.env,
            output=subprocess.PIPE,
        )
        child.process = process
        if process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, child)

    def run_until(self, is_ready: Callable[[], bool], *, seconds: float | None = None) -> bool:
        """Pass lines on until `is_ready`, or the time is up; answer whether it is ready.

        Raises:
            ChildEnded: a child ended by itself.
        """
        deadline = time.monotonic() + seconds if seconds is not None else float("inf")
        while time.monotonic() < deadline:
            if is_ready():
                return True
            self._pass_lines_on(TICK_SECONDS)
            self._look_after_children()
        return False

    def said(self, name: str, words: str) -> bool:
        """Whether the last lines of a child hold these words."""
        return any(
            words in line for child in self._children if child.name == name for line in child.tail
        )

    def stop(self) -> None:
        """End every child, the last started first, and wait for it."""
        for child in reversed(self._children):
            self._end(child)
        for file in self._files.values():
            file.close()
        self._children.clear()
        self._files.clear()

    def kill(self) -> None:
        """End every child at once."""
        for child in self._children:
            if child.process is not None:
                kill_session(child.process.pid)

    def _look_after_children(self) -> None:
        for child in self._children:
            if child.process is None or child.process.poll() is None:
                continue
            status = child.process.returncode
            self._forget(child)
            if status == RELOAD_STATUS:
                self._restart_all()
                return
            if time.monotonic() - self._edited_at < MENDING_SECONDS:
                say(
                    coloured(f"{child.name} could not start; the next edit starts it again.", "bad")
                )
                continue
            how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
            raise ChildEnded(child.name, how, child.tail)

    def _restart_all(self) -> None:
        """A Python file was edited: Celery has no reloader of its own, so all start anew."""
        say("A file was edited: starting again …")
        self._edited_at = time.monotonic()
        for child in reversed(self._children):
            self._end(child)
        for child in self._children:
            self.start(child)

    def _end(self, child: Child) -> None:
        """Stop one child by its signals, and go on reading what it says meanwhile."""
        if child.process is None:
            return
        for number, seconds in (*child.stop, (signal.SIGKILL, 10.0)):
            if child.process.poll() is not None:
                break
            child.process.send_signal(number)
            deadline = time.monotonic() + seconds
            while child.process.poll() is None and time.monotonic() < deadline:
                self._pass_lines_on(TICK_SECONDS / 4)
        self._forget(child)

    def _pass_lines_on(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if not self._read(key.data, key.fd):
                self._selector.unregister(key.fileobj)

    def _read(self, child: Child, descriptor: int) -> bool:
        """Pass on what is in the pipe now; False once nobody will write to it any more."""
        try:
            heard = os.read(descriptor, 65_536)
        except BlockingIOError:
            return True
        *lines, child.rest = (child.rest + heard).split(b"\n")
        for line in lines:
            self._write(child, line)
        return bool(heard)

    def _write(self, child: Child, line: bytes) -> None:
        self._files[child.name].write(line + b"\n")
        self._files[child.name].flush()
        text = line.decode(errors="replace").rstrip("\r")
        child.tail.append(text)
        say(f"{coloured(f'{child.name:<7}|', child.name)} {text}")

    def _forget(self, child: Child) -> None:
        process, child.process = child.process, None
        if process is None or process.stdout is None:
            return
        kill_session(process.pid)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(process.stdout)
        # What it still had to say. A process that left the session may hold the pipe open.
        pipe = process.stdout.fileno()
        while select.select([pipe], [], [], TICK_SECONDS)[0] and self._read(child, pipe):
            pass
        process.stdout.close()
        if child.rest:
            self._write(child, child.rest)
            child.rest = b""


@contextlib.contextmanager
def stopping_by_signal(force: Callable[[], None]) -> Iterator[None]:
    """Raise StopAsked at the first Ctrl-C, SIGTERM or SIGHUP; call `force` at the second.

    Raises:
        StopAsked: once, wherever the main thread is.
    """
    asked = 0

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise StopAsked(number)
        # A closing terminal sends SIGHUP along with others; only a person's Ctrl-C forces.
        if number == signal.SIGINT:
            force()

    before = {number: signal.signal(number, on_signal) for number in STOPPING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
