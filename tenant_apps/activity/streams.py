"""An open page's stream of what is new for its person. Runs in the tenant's schema, under ASGI.

While it waits it asks Redis once a second whether the person's mark is another one, and holds no
connection to the database: what is new is read in one go, and the connection let go.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any, Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import cache
from django.db import connection

from tenant_apps.activity import live
from tenant_apps.activity.models import Notification
from tenant_apps.links import page_path

# Over HTTP/1.1 a browser has six connections to a host, for all of its pages.
MAX_STREAMS: Final = 3
LONGEST: Final = timedelta(minutes=5)
PAUSE: Final = timedelta(seconds=1)
HEARTBEAT: Final = timedelta(seconds=20)
# Of a stream whose process was killed.
_SLOT_SECONDS: Final = 60
_SHOWN: Final = 5
_COME_BACK: Final = "retry: 3000\n\n"
_GONE: Final = "event: gone\ndata: {}\n\n"

# What else an app tells of: the person → what JSON takes.
Source = Callable[[Any], Any]
_sources: dict[str, Source] = {}


def register_source(name: str, source: Source) -> None:
    """Tell of something besides notifications: read again whenever `live.poke` says so.

    Args:
        name: the part of the event's data that it is.
        source: reads for one person, within a few milliseconds.
    """
    _sources[name] = source


@dataclass(slots=True)
class _Place:
    """How far a stream has come.

    Args:
        last: the newest notification that was told; None before the first look.
        mark: the person's mark at the last look.
    """

    last: UUID | None = None
    mark: str = ""


def take_slot(person_id: UUID) -> str | None:
    """One of the streams that a person may have open; None where all are taken. Without Redis nobody
    counts."""
    for number in range(MAX_STREAMS):
        key = f"activity:stream:{person_id}:{number}"
        if cache.add(key, "open", _SLOT_SECONDS) is not False:
            return key
    return None


async def follow(
    *, person_id: UUID, session_key: str, slot: str, last_id: str = ""
) -> AsyncIterator[str]:
    """The events: `news` whenever something is, a comment as a sign of life otherwise.

    It ends after five minutes, and with the session or the person; the browser comes back by itself.

    Args:
        slot: from take_slot; given back at the end.
        last_id: the id of the last event that the browser has seen.
    """
    place = _Place(last=_as_key(last_id))
    ends = time.monotonic() + LONGEST.total_seconds()
    beats = time.monotonic() + HEARTBEAT.total_seconds()
    try:
        yield _COME_BACK
        while time.monotonic() < ends:
            event = await sync_to_async(_look)(person_id, session_key, place)
            if event is not None:
                yield event
                if event == _GONE:
                    return
            elif time.monotonic() >= beats:
                beats = time.monotonic() + HEARTBEAT.total_seconds()
                if not await sync_to_async(_is_still_there)(person_id, session_key, slot):
                    yield _GONE
                    return
                yield ": still here\n\n"
            await asyncio.sleep(PAUSE.total_seconds())
    finally:
        await sync_to_async(cache.delete)(slot)


def _look(person_id: UUID, session_key: str, place: _Place) -> str | None:
    """The event, if the mark has changed since the last look."""
    mark = live.mark_of(person_id)
    # Without Redis there are no marks: the heartbeat's polling by the page has to do.
    if place.mark == (mark or "none"):
        return None
    place.mark = mark or "none"
    try:
        person = _person_of(person_id, session_key)
        return _GONE if person is None else _news(person, place)
    finally:
        _let_go()


def _is_still_there(person_id: UUID, session_key: str, slot: str) -> bool:
    cache.touch(slot, _SLOT_SECONDS)
    try:
        return _person_of(person_id, session_key) is not None
    finally:
        _let_go()


def _person_of(person_id: UUID, session_key: str) -> AbstractBaseUser | None:
    """The person, while they are let in and logged in."""
    sessions: Any = import_module(settings.SESSION_ENGINE).SessionStore
    if not sessions(session_key).exists(session_key):
        return None
    found: AbstractBaseUser | None = (
        get_user_model()._default_manager.filter(pk=person_id, is_active=True).first()
    )
    return found


def _news(person: AbstractBaseUser, place: _Place) -> str:
    mine = Notification.objects.shown_to(person)
    newest = mine.values_list("pk", flat=True).first()
    new = []
    if place.last is not None:
        new = [
            {"sentence": one.sentence, "path": page_path("activity:notification", one.pk)}
            for one in mine.unread().filter(pk__gt=place.last)[:_SHOWN]
        ]
    place.last = newest or place.last or UUID(int=0)
    told = {
        "unread": mine.unread().count(),
        "new": new[::-1],
        **{name: source(person) for name, source in _sources.items()},
    }
    return f"event: news\nid: {place.last}\ndata: {json.dumps(told, default=str)}\n\n"


def _let_go() -> None:
    # Of a test's transaction, or a caller's own, it is not ours to end.
    if not connection.in_atomic_block:
        connection.close()


def _as_key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
