"""What is new for a person, as a number that changes: nothing of it has to be looked up to know that
nothing has changed.

Each person has a mark in Redis, another one whenever something that they see live has changed. It is
part of the key of what is kept for them, and what an open page's stream compares. Keys carry the tenant.
Without Redis every question is asked of the database.
"""

import inspect
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from django.core.cache import cache
from django.db import connection, transaction

T = TypeVar("T")

_SECONDS: Final = 24 * 60 * 60
_MISSING: Final = "\0missing"


def poke(*people: UUID) -> None:
    """Say that something has changed for these people, once the transaction is committed."""
    for key in people:
        transaction.on_commit(partial(poke_now, key))


def poke_now(person_id: UUID | None) -> None:
    """As poke, at once: of what others see before the transaction ends, such as a job's progress.
    Nothing for nobody."""
    if person_id is not None:
        # Never a number that was there before: what was kept under it is old.
        cache.set(_mark_key(person_id), secrets.token_hex(8), _SECONDS)


def mark_of(person_id: UUID) -> str:
    """The person's mark now; empty where Redis can't be asked."""
    key = _mark_key(person_id)
    found = cache.get(key)
    if found is None:
        cache.add(key, secrets.token_hex(8), _SECONDS)
        found = cache.get(key)
    return str(found or "")


def kept_for(person_id: UUID, name: str, make: Callable[[], T]) -> T:
    """What is kept for a person until their mark changes, made now if nothing is.

    Args:
        make: reads after the mark was read, so what it reads is at least as new.
    """
    mark = mark_of(person_id)
    if not mark or _is_poked(person_id):
        return make()
    key = f"activity:kept:{person_id}:{mark}:{name}"
    found: Any = cache.get(key, _MISSING)
    if found is not None and found != _MISSING:
        kept: T = found
        return kept
    made = make()
    cache.set(key, made, _SECONDS)
    return made


def _is_poked(person_id: UUID) -> bool:
    """Whether this transaction has changed something for this person: it sees what others can't see
    yet."""
    waiting: Any = connection.run_on_commit
    # The engine ties what waits to its tenant, in a wrapping of its own.
    calls = (inspect.unwrap(what) for _, what, *_ in waiting)
    return any(
        isinstance(call, partial) and call.func is poke_now and call.args == (person_id,)
        for call in calls
    )


def _mark_key(person_id: UUID) -> str:
    return f"activity:mark:{person_id}"
