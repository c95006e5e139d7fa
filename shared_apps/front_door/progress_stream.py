"""The progress of a new workspace as server-sent events (HTML Living Standard, section 9.2).

One stream lasts at most half a minute, so that under WSGI it does not keep a thread for long; the
browser comes back by itself. The database is asked a few times a second and let go between.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.urls import reverse

from shared_apps.front_door.models import SignUp
from shared_apps.front_door.selectors import progress_of
from shared_apps.tenants.provisioning import Progress

PAUSE: Final = timedelta(milliseconds=200)
LONGEST: Final = timedelta(seconds=25)
_COME_BACK: Final = "retry: 1000\n\n"


def state_of(progress: Progress) -> dict[str, Any]:
    """What the page shows, for JSON: steps with name and state, and where to go when it is over.

    `url` is set when the workspace is there, `error` (a sentence) when it will not be.
    """
    return {
        "state": progress.state,
        "steps": [
            {
                "name": step.name,
                "state": step.state,
                "took": f"{step.milliseconds} ms" if step.milliseconds is not None else "",
            }
            for step in progress.steps
        ],
        "url": reverse("front_door:enter") if progress.tenant else "",
        "error": progress.error,
    }


def follow(sign_up: SignUp) -> Iterator[str]:
    """The events, for a server that gives each request a thread."""
    yield _COME_BACK
    last = ""
    until = time.monotonic() + LONGEST.total_seconds()
    while time.monotonic() < until:
        event, is_over = _event(sign_up)
        if event != last:
            yield event
            last = event
        if is_over:
            return
        time.sleep(PAUSE.total_seconds())


async def follow_async(sign_up: SignUp) -> AsyncIterator[str]:
    """The events, for a server that has one thread for all requests."""
    yield _COME_BACK
    last = ""
    until = time.monotonic() + LONGEST.total_seconds()
    while time.monotonic() < until:
        event, is_over = await sync_to_async(_event)(sign_up)
        if event != last:
            yield event
            last = event
        if is_over:
            return
        await asyncio.sleep(PAUSE.total_seconds())


def _event(sign_up: SignUp) -> tuple[str, bool]:
    progress = progress_of(sign_up)
    if progress is None:
        return "event: gone\ndata: {}\n\n", True
    data = json.dumps(state_of(progress))
    return f"event: progress\ndata: {data}\n\n", progress.is_finished()
