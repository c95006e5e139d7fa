"""The one way by which a tenant's wishes reach other hosts: webhooks, pictures of an old site.

A tenant chooses the address, and we stand inside our own network when we call it: without a guard
anybody could read what only our machines may see (OWASP, "Server-Side Request Forgery Prevention").
So a name is looked up once, every address of the answer must be public, and the connection goes to
that very address: a second answer of the DNS, or a redirect, is judged like the first.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

import idna
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from shared_apps.tenants.context import carry

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_SECONDS: Final = 10.0
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_CHUNK: Final = 65_536
_MAX_URL: Final = 2_000
# RFC 6052: an IPv4 address is in its last 32 bits, and a gateway calls it.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 4291, section 2.5.5.1: deprecated, and not among what Python calls private.
_IPV4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")


class OutboundRefused(ValueError):
    """An address that is not called; the sentence says why."""


class OutboundFailed(Exception):
    """The address was called, and no whole answer came; the sentence says why."""


class AnswerTooLarge(OutboundFailed):
    """More came than is taken."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Args:
        method: HTTP's.
        body: of a POST.
        headers: beside Host and Accept-Encoding, which are set here.
    """

    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is waited for and taken.

    Args:
        max_bytes: of the body.
        cut: keep the first bytes of a longer body; otherwise it is an error.
        seconds: for all of it, redirects and body too; the DNS has limits of its own.
        redirects: how many are followed, each judged like the first address, for GET and HEAD. With
            none left, the redirect itself is the answer.
    """

    max_bytes: int
    cut: bool = False
    seconds: float = DEFAULT_SECONDS
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said.

    Args:
        status: HTTP's.
        headers: with names in lower case.
        body: as it was sent; at most as many bytes as were asked for.
        url: where it came from in the end.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """RFC 9110, section 7.2: with the port, where it isn't the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


GET: Final = Message()


def is_public(address: Address) -> bool:
    """Whether the whole internet can reach it: not private, loopback, link-local, multicast, or an
    IPv6 address that carries such an IPv4 one (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _IPV4_COMPATIBLE and address.ipv4_mapped is None:
            return False
        carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            carried.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if any(one is not None and not is_public(one) for one in carried):
            return False
        if address.ipv4_mapped is not None:
            return True
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def check_url(
    url: str,
    *,
    schemes: tuple[str, ...] = ("https", "http"),
    allow: Callable[[Address], bool] = is_public,
) -> None:
    """Whether this address would be called, as it stands now: for the form where it is given.

    The name is looked up. Nothing is sent. Runs in: any schema; reads nothing.

    Raises:
        OutboundRefused: not such an address, no host there, or a host that isn't public.
    """
    _look_up(_parse(url, schemes), allow)


def send(
    url: str,
    *,
    message: Message = GET,
    limits: Limits,
    schemes: tuple[str, ...] = ("https", "http"),
    allow: Callable[[Address], bool] = is_public,
    trust: ssl.SSLContext | None = None,
) -> Answer:
    """Call a public host and take its answer, whatever its status is.

    Args:
        allow: which addresses may be called.
        trust: whose certificates count; the system's authorities.

    Runs in: any schema; hold no transaction open around it.

    Raises:
        OutboundRefused: the address, or the one that a redirect names, may not be called.
        AnswerTooLarge: more than `max_bytes` came.
        OutboundFailed: no connection, no TLS, no answer in time.
    """
    deadline = time.monotonic() + limits.seconds
    follow = limits.redirects if message.method in ("GET", "HEAD") else 0
    while True:
        target = _parse(url, schemes)
        address = _look_up(target, allow)
        answer = _send_once(target, address, message, limits, deadline=deadline, trust=trust)
        location = answer.headers.get("location")
        if answer.status not in _REDIRECTS or location is None or follow == 0:
            return answer
        follow -= 1
        url = urljoin(url, location)


def _parse(url: str, schemes: tuple[str, ...]) -> _Target:
    kinds = " or ".join(f"{scheme}://" for scheme in schemes)
    if len(url) > _MAX_URL:
        raise OutboundRefused(f"An address has at most {_MAX_URL} characters.")
    if any(character <= " " or character in "\\\x7f" for character in url):
        raise OutboundRefused("An address has no spaces, backslashes or control characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutboundRefused(f'"{url}" is not an address: {error}.') from error
    if parts.scheme not in schemes or not parts.hostname:
        raise OutboundRefused(f'"{url}" is not an address that starts with {kinds} and has a host.')
    if parts.username is not None or parts.password is not None:
        raise OutboundRefused("An address here has no user name or password in it.")
    host = parts.hostname
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError as error:
            raise OutboundRefused(f'"{host}" is not a host name: {error}.') from error
    is_tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(
        url=url,
        is_tls=is_tls,
        host=host,
        port=port or (443 if is_tls else 80),
        # RFC 3986, section 2: what is not ASCII goes as UTF-8, percent-encoded.
        path=urllib3.util.parse_url(path).url,
    )


def _look_up(target: _Target, allow: Callable[[Address], bool]) -> str:
    """The address to connect to: the first of the answer, if all of them may be called."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundRefused(f'The host "{target.host}" has no address in the DNS.') from error
    addresses = [str(entry[4][0]) for entry in found]
    for one in addresses:
        # A zone ("fe80::1%eth0") is a link's own: never public, and not part of the address.
        if not allow(ipaddress.ip_address(one.partition("%")[0])):
            raise OutboundRefused(
                f'"{target.host}" is not a public host: its address is {one}. Only hosts that the '
                "whole internet can reach are called."
            )
    return addresses[0]


def _send_once(
    target: _Target,
    address: str,
    message: Message,
    limits: Limits,
    *,
    deadline: float,
    trust: ssl.SSLContext | None,
) -> Answer:
    left = deadline - time.monotonic()
    if left <= 0:
        raise OutboundFailed(f'No answer from "{target.host}" in time.')
    # The connection goes to the address; the Host header and the certificate are the host's.
    connection = (
        HTTPSConnection(
            address,
            target.port,
            timeout=left,
            ssl_context=trust or ssl.create_default_context(),
            server_hostname=target.host,
        )
        if target.is_tls
        else HTTPConnection(address, target.port, timeout=left)
    )
    # A byte every few seconds keeps below every limit on one wait: at the deadline the line is cut.
    cutter = threading.Timer(left, carry(_cut_line), [connection])
    cutter.daemon = True
    try:
        cutter.start()
        connection.request(
            message.method,
            target.path,
            body=message.body,
            headers={**message.headers, "Host": target.host_header, "Accept-Encoding": "identity"},
            preload_content=False,
            decode_content=False,
        )
        response = connection.getresponse()
        content = _read(response, target, limits, deadline=deadline)
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        if time.monotonic() >= deadline or isinstance(
            error, (TimeoutError, urllib3.exceptions.TimeoutError)
        ):
            raise OutboundFailed(f'No answer from "{target.host}" in time.') from error
        if isinstance(error, (ssl.SSLError, urllib3.exceptions.SSLError)):
            raise OutboundFailed(f'No safe connection to "{target.host}": {error}.') from error
        raise OutboundFailed(f'No answer from "{target.host}": {error}.') from error
    finally:
        cutter.cancel()
        connection.close()
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=content,
        url=target.url,
    )


def _cut_line(connection: HTTPConnection) -> None:
    line = connection.sock
    if line is not None:
        # Below TLS: a TLS socket's own shutdown would change what the reading thread stands on.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(line, socket.SHUT_RDWR)


def _read(
    response: urllib3.BaseHTTPResponse, target: _Target, limits: Limits, *, deadline: float
) -> bytes:
    """The body, a piece at a time: each piece may come in time and all of them be too late."""
    content = bytearray()
    while True:
        piece = response.read1(_CHUNK, decode_content=False)
        if not piece:
            return bytes(content)
        content += piece
        if len(content) > limits.max_bytes:
            if limits.cut:
                return bytes(content[: limits.max_bytes])
            raise AnswerTooLarge(f'"{target.host}" sends more than {limits.max_bytes:,} bytes.')
        if time.monotonic() > deadline:
            raise OutboundFailed(f'No whole answer from "{target.host}" in time.')
