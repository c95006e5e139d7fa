"""Whether strangers may sign themselves up to a workspace.

The setting belongs to `workspace`, which stands above `users`: it registers how to read it.
"""

from collections.abc import Callable

_readers: list[Callable[[], bool]] = []


def register_signup_policy(is_open: Callable[[], bool]) -> None:
    """Say who knows whether sign-up is open; the last one registered is asked."""
    _readers.append(is_open)


def is_signup_open() -> bool:
    """Closed unless somebody says otherwise: by invitation only."""
    return bool(_readers) and _readers[-1]()
