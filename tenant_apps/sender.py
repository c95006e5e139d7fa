"""Whom a tenant's letters come from, and where answers to them go.

The address is always the platform's: only its own mail server may send for it (SPF, DKIM). The name before it
and the address for answers are the workspace's, which stands above `users`: it registers how to read them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formataddr, parseaddr

from django.conf import settings

_readers: list[Callable[[], "Sender"]] = []


@dataclass(frozen=True, slots=True)
class Sender:
    """A name in one line, and an address or nothing."""

    name: str
    reply_to: str


def register_sender(read: Callable[[], Sender]) -> None:
    """Say who knows the workspace's sender; the last one registered is asked."""
    _readers.append(read)


def from_header() -> str:
    """The From of a letter of the tenant that is set: its name, and the platform's address (RFC 5322
    section 3.6.2)."""
    _, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    if not _readers:
        return str(settings.DEFAULT_FROM_EMAIL)
    # In one line, whatever the row holds: a line's end would begin another header.
    name = " ".join(_readers[-1]().name.split())
    return formataddr((name, address))


def reply_to() -> list[str]:
    """The Reply-To of a letter, as Django's mails take it: one address, or none."""
    found = _readers[-1]().reply_to if _readers else ""
    return [found] if found else []
