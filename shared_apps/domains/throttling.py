"""How often one address or one visitor may ask for something.

Counts stand in the cache, under keys of the public part. Where the cache is gone nothing is
counted: a visitor who can't sign up is worse than one who tries too often.
"""

import hashlib
import ipaddress
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from shared_apps.front_door.errors import TooManyAttempts
from shared_apps.tenants import context

_IPV6_NETWORK_BITS: Final = 64  # what one household is given (RFC 6177 section 2, at least)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `times` within `window` for one subject."""

    name: str
    times: int
    window: timedelta
    sentence: str


CODES_PER_ADDRESS = Limit(
    "codes-address",
    5,
    timedelta(hours=1),
    "We have sent several codes to this e-mail address already. Use the newest one.",
)
CODES_PER_VISITOR = Limit(
    "codes-visitor",
    20,
    timedelta(hours=1),
    "Too many codes were asked for from your network.",
)
TRIES_PER_VISITOR = Limit(
    "tries-visitor", 30, timedelta(hours=1), "Too many wrong codes came from your network."
)
WORKSPACES_PER_VISITOR = Limit(
    "workspaces-visitor", 20, timedelta(hours=1), "Too many workspaces were asked for."
)
CHECKS_PER_VISITOR = Limit(
    "checks-visitor", 120, timedelta(minutes=1), "Too many addresses were checked."
)
FINDS_PER_ADDRESS = Limit(
    "finds-address",
    3,
    timedelta(hours=1),
    "We have written to this e-mail address already. Look into the spam folder too.",
)
FINDS_PER_VISITOR = Limit(
    "finds-visitor", 10, timedelta(hours=1), "Too many mails were asked for from your network."
)


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


def visitor_of(request: HttpRequest) -> str:
    """The network a request comes from: an IPv4 address, or the /64 of an IPv6 one.

    `TERRACE_PROXIES` says how many proxies of ours stand in front: so many of the last entries of
    X-Forwarded-For were written by them. What stands before those is the client's own invention.
    """
    address = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TERRACE_PROXIES:
        forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        if len(forwarded) >= settings.TERRACE_PROXIES:
            address = forwarded[-settings.TERRACE_PROXIES]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address or "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))
    return str(parsed)


def _increased(key: str) -> int:
    try:
        return int(cache.incr(key) or 0)
    except ValueError:  # the key went away between add and incr
        return 1
