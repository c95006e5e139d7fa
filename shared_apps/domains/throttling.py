"""How often one address or one visitor may ask for something, on the public host.

Each room names its own limits. Counts stand in the cache, under keys of the public part. Where the
cache is gone nothing is counted: a visitor who can't get in is worse than one who tries too often.
"""

import functools
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Concatenate, Final, ParamSpec

from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from shared_apps.domains.status_pages import render_error
from shared_apps.tenants import context

P = ParamSpec("P")
_MINUTE: Final = 60  # seconds


class TooManyAttempts(Exception):
    """One address or one visitor asked for too much.

    Args:
        sentence: what was too much, for the visitor.
        retry_after: how long until it is allowed again.
    """

    def __init__(self, sentence: str, *, retry_after: timedelta) -> None:
        self.retry_after = retry_after
        super().__init__(f"{sentence} Try again in {_in_words(retry_after)}.")


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `times` within `window` for one subject.

    Args:
        name: its own in the whole platform; part of the key that the count stands under.
        sentence: what the visitor is told whose attempt is one too many.
    """

    name: str
    times: int
    window: timedelta
    sentence: str


def count(limit: Limit, subject: str) -> None:
    """Count one attempt of the subject, and refuse it where it is one too many.

    Args:
        subject: an e-mail address or a visitor's network. Only its hash is kept.
    Raises:
        TooManyAttempts: with a sentence for the visitor and the time to wait.
    """
    window = int(limit.window.total_seconds())
    now = time.time()
    period = int(now // window)
    digest = hashlib.sha256(subject.strip().lower().encode()).hexdigest()[:32]
    key = f"throttle:{limit.name}:{period}:{digest}"
    with context.run_in_public():
        cache.add(key, 0, window)
        attempts = _increased(key)
    if attempts > limit.times:
        left = timedelta(seconds=(period + 1) * window - now)
        raise TooManyAttempts(limit.sentence, retry_after=left)


def throttled(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Answer 429, with the sentence and Retry-After, where a visitor asks a view for too much."""

    @functools.wraps(view)
    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except TooManyAttempts as refused:
            return render_error(
                request, 429, sentence=str(refused), retry_after=refused.retry_after
            )

    return answer


def _increased(key: str) -> int:
    try:
        return int(cache.incr(key) or 0)
    except ValueError:  # the key went away between add and incr
        return 1


def _in_words(duration: timedelta) -> str:
    seconds = max(1, int(duration.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} second{'s' if seconds > 1 else ''}"
    minutes = -(-seconds // _MINUTE)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
