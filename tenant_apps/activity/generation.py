"""What is worked out once and kept until something changes.

A workspace has a generation: a number in Redis that every line of the trail counts up, once its
transaction is committed. It is part of the key of what is kept, so that one change of anything makes all
of it unfindable at once, and nothing has to be deleted.

Each verb runs in the tenant's schema; keys carry the tenant.
"""

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.core.cache import cache
from django.db import connection, transaction

T = TypeVar("T")

# Whoever dies between a commit and the counting leaves what is kept old for so long, and no longer.
KEPT_SECONDS: Final = 120
_KEY: Final = "generation"
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Generation:
    """The workspace as it was when this was asked for.

    Args:
        number: None where nothing is to be kept: without Redis, and in a transaction that has
            changed something, since others can't see yet what it sees.
    """

    number: int | None

    def kept(self, name: str, make: Callable[[], T], *, seconds: int = KEPT_SECONDS) -> T:
        """What is kept under this name, made now if nothing is.

        Args:
            name: says what it is and for whom: the same for all who would see the same. With a number
                in it that is counted up where `make` comes to make something else.
            make: reads after this generation was asked for, so what it reads is at least as new.
            seconds: how long it is kept at most.
        """
        if self.number is None:
            return make()
        key = f"kept:{self.number}:{name}"
        found: Any = cache.get(key, _MISSING)
        if found is not _MISSING and found is not None:
            kept: T = found[0]
            return kept
        made = make()
        cache.set(key, (made,), seconds)
        return made


def current_generation() -> Generation:
    """Ask before anything is read that is to be kept."""
    if _has_changed_something():
        return Generation(None)
    number = cache.get(_KEY)
    if number is None:
        # Never a number that was there before, whatever Redis has lost: what was kept then is old.
        begun = time.time_ns()
        number = begun if cache.add(_KEY, begun, timeout=None) else cache.get(_KEY)
    return Generation(number)


def end_generation() -> None:
    """What was kept is old, from the commit of this transaction on. Once a transaction, however often
    it is called."""
    if not _ends_already():
        transaction.on_commit(_count_up)


def _count_up() -> None:
    try:
        cache.incr(_KEY)
    except ValueError:
        # Nobody has asked for a generation since Redis began: nothing is kept.
        return


def _has_changed_something() -> bool:
    """Whether this transaction has written a line of the trail. What a savepoint took back is not
    among what waits any more."""
    return any(_is_ending(what) for _, what, *_ in _waiting())


def _ends_already() -> bool:
    """Whether the ending waits that this work would add: one outside of all savepoints but those that
    are open now, since another's work may stay where this one's is rolled back. A look at the first
    ones: one too many costs less than to read through thousands each time."""
    open_now = set(connection.savepoint_ids)
    return any(_is_ending(what) and ids <= open_now for ids, what, *_ in _waiting()[:16])


def _is_ending(what: Callable[[], object]) -> bool:
    # The engine ties what waits to its tenant, in a wrapping of its own.
    return inspect.unwrap(what) is _count_up


def _waiting() -> Any:
    return connection.run_on_commit
