"""A proxy that counts what goes over the wire between Django and PostgreSQL.

PostgreSQL: message formats (https://www.postgresql.org/docs/18/protocol-message-formats.html).
"""

import socket
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psycopg

_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_RECEIVE_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Counts:
    """What was seen since the proxy began.

    Args:
        round_trips: bursts of the client that the server answered.
        messages: Query and Parse messages, which is what a statement of Django's is sent as.
        commands: commands that the server completed: a Query message may hold several.
    """

    round_trips: int = 0
    messages: int = 0
    commands: int = 0

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(
            self.round_trips - other.round_trips,
            self.messages - other.messages,
            self.commands - other.commands,
        )


class _Stream:
    """Cuts one direction of a connection into messages, and calls back with each one's type."""

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The types of the messages that are complete now; b"" for one of the start-up."""
        self._buffer += data
        kinds = []
        while True:
            head = 1 if self._typed else 0
            if len(self._buffer) < head + 4:
                return kinds
            (length,) = struct.unpack_from("!i", self._buffer, head)
            if len(self._buffer) < head + length:
                return kinds
            kind = bytes(self._buffer[:head])
            if not self._typed:
                (code,) = struct.unpack_from("!i", self._buffer, 4)
                self._typed = code not in {_SSL_REQUEST, _GSS_REQUEST}
            kinds.append(kind)
            del self._buffer[: head + length]


class CountingProxy:
    """Listens on loopback and passes every byte on, unchanged, to the server of `conninfo`."""

    def __init__(self, url: str) -> None:
        self._target = psycopg.conninfo.conninfo_to_dict(url)
        self._lock = threading.Lock()
        self._round_trips = self._messages = self._commands = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()

    @property
    def url(self) -> str:
        """The same database, by way of the proxy."""
        user = self._target.get("user", "")
        password = f":{self._target['password']}" if self._target.get("password") else ""
        database = self._target.get("dbname", "")
        return f"postgresql://{user}{password}@127.0.0.1:{self.port}/{database}"

    def counts(self) -> Counts:
        """What was seen so far."""
        with self._lock:
            return Counts(self._round_trips, self._messages, self._commands)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _Passage(self, client, self._connect()).start()

    def _connect(self) -> socket.socket:
        host = str(self._target.get("host") or "127.0.0.1")
        port = int(self._target.get("port") or 5432)
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        server = socket.create_connection((host, port))
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    def note(self, *, round_trips: int = 0, messages: int = 0, commands: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            self._round_trips += round_trips
            self._messages += messages
            self._commands += commands


class _Passage:
    """One connection through the proxy."""

    def __init__(self, proxy: CountingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._client_speaks = False

    def start(self) -> None:
        for forward in (self._forward_requests, self._forward_answers):
            threading.Thread(target=forward, daemon=True).start()

    def _forward_requests(self) -> None:
        stream = _Stream(typed=False)
        while data := _receive(self._client):
            kinds = stream.feed(data)
            # Terminate has no answer. A burst that goes on is the same round trip.
            begins = not self._client_speaks and kinds != [b"X"]
            self._client_speaks = True
            self._proxy.note(
                round_trips=int(begins), messages=sum(kind in {b"Q", b"P"} for kind in kinds)
            )
            if not _send(self._server, data):
                break
        _shut(self._server)

    def _forward_answers(self) -> None:
        # The answer to an SSLRequest is one bare byte; what follows is typed.
        first = True
        stream = _Stream(typed=True)
        while data := _receive(self._server):
            self._client_speaks = False
            if first and data in {b"N", b"S", b"G"}:
                kinds = []
            else:
                first = False
                kinds = stream.feed(data)
            self._proxy.note(commands=sum(kind == b"C" for kind in kinds))
            if not _send(self._client, data):
                break
        _shut(self._client)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_RECEIVE_BYTES)
    except OSError:
        return b""


def _send(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
