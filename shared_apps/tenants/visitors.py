"""Where a request comes from: one answer for throttles, for the trail and for log-ins."""

import ipaddress
import re
from typing import Final

from django.conf import settings
from django.http import HttpRequest

_IPV6_NETWORK_BITS: Final = 64  # what one household is given (RFC 6177 section 2, at least)
_UNKNOWN: Final = "unknown"
# Some proxies write the port too: 192.0.2.7:4711, [2001:db8::7]:4711.
_WITH_PORT = re.compile(r"\A(?:\[([^]]+)\](?::\d+)?|([\d.]+):\d+)\Z")


def address_of(request: HttpRequest) -> str | None:
    """The visitor's IP address, as text that PostgreSQL's inet takes; None where it isn't known.

    `TERRACE_PROXIES` says how many proxies of ours stand in front: so many of the last entries of
    X-Forwarded-For were written by them, and the first of those is the visitor's. What stands before
    it is the visitor's own invention, and all of it is where no proxy of ours stands in front.
    """
    raw = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TERRACE_PROXIES:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        # With fewer entries the request came past a proxy, from within: the peer is who asks.
        if len(forwarded) >= settings.TERRACE_PROXIES and any(forwarded):
            raw = forwarded[-settings.TERRACE_PROXIES]
    address = _parsed(raw)
    return str(address) if address else None


def network_of(request: HttpRequest) -> str:
    """Whom a throttle counts: an IPv4 address, or the /64 of an IPv6 one, which is one household.

    All whose address isn't known are counted together.
    """
    known = address_of(request)
    if known is None:
        return _UNKNOWN
    if isinstance(ipaddress.ip_address(known), ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, _IPV6_NETWORK_BITS), strict=False))
    return known


def _parsed(raw: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    text = raw.strip()
    if with_port := _WITH_PORT.match(text):
        text = with_port[1] or with_port[2]
    try:
        # A zone (fe80::1%eth0) means something on the machine that wrote it alone.
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A server that listens on IPv6 sees IPv4 visitors so: ::ffff:192.0.2.7. All of them are in one /64.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
