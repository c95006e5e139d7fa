"""Writing to a terminal that may be gone, in colours where it shows them."""

import contextlib
import os
import sys

COLOURS = {"web": "36", "worker": "33", "beat": "35", "good": "32", "bad": "31"}


def say(words: str = "") -> None:
    """Write a line. A closed terminal (EPIPE, EIO) is no failure: there are children to stop."""
    with contextlib.suppress(OSError, ValueError):
        print(words, flush=True)


def coloured(words: str, colour: str) -> str:
    """Words in the colour of a process or of an outcome; plain where colours don't show."""
    if os.environ.get("NO_COLOR") or not _is_terminal():
        return words
    return f"\033[{COLOURS[colour]}m{words}\033[0m"


def _is_terminal() -> bool:
    try:
        return sys.stdout.isatty()
    except ValueError:
        return False
