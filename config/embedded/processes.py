"""Child processes that never outlive us, in sessions of their own: Ctrl-C reaches us alone."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

CHILD = Path(__file__).with_name("child.py")


def start_process(
    command: Sequence[str],
    *,
    death_signal: signal.Signals,
    identity: str = "same",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command that ends when the calling thread ends, however it ends.

    Call it from the main thread: the kernel counts the thread that started the child as its parent.

    Args:
        command: a program by full path, and its arguments.
        death_signal: what the kernel sends to the command when this process is gone.
        identity: see config/embedded/child.py.
        output: where standard output and standard error go, as subprocess takes it.
    """
    return subprocess.Popen(
        _wrapped(identity, death_signal, *command),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
    )


def run_process(
    command: Sequence[str], *, identity: str = "same", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, and answer with its exit status and what it said."""
    return subprocess.run(
        _wrapped(identity, signal.SIGKILL, *command),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def run_in_foreground(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
) -> int:
    """Run a command that may read the terminal and sees Ctrl-C; it too ends when we are killed.

    The command decides what Ctrl-C means to it. We wait for its end, and answer with its status.
    """
    process = subprocess.Popen(_wrapped("same", signal.SIGTERM, *command), env=env, cwd=cwd)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def _wrapped(identity: str, death_signal: signal.Signals, *command: str) -> list[str]:
    # -I and -S: nothing of the environment or of the site changes what child.py is.
    python = [sys.executable, "-I", "-S", str(CHILD)]
    return [*python, str(os.getpid()), str(int(death_signal)), identity, *command]


def stop_process(
    process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]
) -> int | None:
    """End a process by one signal after the other, then whatever is left of its session.

    Args:
        steps: a signal, and how many seconds to wait for its effect. SIGKILL is always the last.
    Returns:
        The exit status it had before we came, or None if we ended it.
    """
    before = process.poll()
    for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
        if process.poll() is not None:
            break
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    kill_session(process.pid)
    return before


def kill_session(leader: int) -> None:
    """SIGKILL what is left of the process group that `leader` led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process of this id runs (a zombie doesn't)."""
    try:
        # The name, in parentheses, may hold spaces and parentheses; the state follows the last one.
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in {"Z", "X"}


def last_lines(log: Path, count: int = 20) -> str:
    """The end of a log file, indented, for an error message."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-count:])
