"""Host headers, made comparable.

RFC 9110 section 7.2 (Host), RFC 1034 section 3.1 (case, the root's dot), RFC 5891 (IDNA 2008).
"""

import re
from functools import lru_cache

import idna
from django.http import HttpRequest
from django.http import request as django_request

_PORT = re.compile(r":[0-9]{0,5}\Z")
# An underscore is no hostname character (RFC 952) but DNS carries it, and browsers send it.
_LABEL = re.compile(r"\A(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
MAX_LENGTH = 253


# Django's own (django/http/request.py), and underscores.
_ACCEPTED_BY_DJANGO = re.compile(
    r"^([a-z0-9._-]+|\[[a-f0-9]*:[a-f0-9.:]+\])(?::([0-9]+))?$", re.ASCII
)


class HostInvalid(ValueError):
    """The Host header is no hostname."""


def accept_underscores() -> None:
    """Let `request.get_host()` take underscores. Called once, at start.

    Django answers 400 to a host with one, before any view; a tenant has such a hostname where its
    DNS has one.
    """
    django_request.host_validation_re = _ACCEPTED_BY_DJANGO


@lru_cache(maxsize=4096)
def _is_accepted(raw: str) -> bool:
    return _ACCEPTED_BY_DJANGO.match(raw.lower()) is not None


def let_django_accept(request: HttpRequest, host: str) -> None:
    """Write the Host header anew where Django would answer 400: an empty port, letters beyond ASCII.

    Other spellings stay as the browser wrote them, since the check of Origin compares with them.

    Args:
        host: what normalise_host made of the Host header.
    """
    raw = request.META.get("HTTP_HOST", "")
    if not _is_accepted(raw):
        port = re.search(r":[0-9]+\Z", raw)
        request.META["HTTP_HOST"] = host + (port.group() if port else "")


# Pure, so its answers are kept; what raises is not. One entry is a few hundred bytes.
@lru_cache(maxsize=4096)
def normalise_host(raw: str) -> str:
    """The hostname in a Host header: lower case, ASCII, without port and trailing dot.

    Args:
        raw: the header's value, e.g. `ACME.Example.com.:8000`, `bücher.example`, `[::1]:8000`.
    Returns:
        A hostname of at most 253 characters, or an IPv6 address in brackets.
    Raises:
        HostInvalid: empty, too long, or with characters that no hostname has.
    """
    host = raw.strip().lower()
    if host.startswith("["):
        address, bracket, rest = host.partition("]")
        if not bracket or (rest and not _PORT.fullmatch(rest)):
            raise HostInvalid(f"{raw!r} is not an IPv6 address in brackets.")
        return address + bracket
    host = _PORT.sub("", host).removesuffix(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise HostInvalid(f"{raw!r} is not an internationalised hostname.") from error
    if not host or len(host) > MAX_LENGTH:
        raise HostInvalid(f"A hostname has 1 to {MAX_LENGTH} characters.")
    if not all(_LABEL.match(label) for label in host.split(".")):
        raise HostInvalid(f"{raw!r} is not a hostname.")
    return host
