"""Somebody's server on loopback that takes events, and answers as it is told."""

import http.server
import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tenant_apps.outbound import Address


def allow_loopback(address: Address) -> bool:
    """The guard, where the receiver is on this machine; all other private hosts stay refused."""
    return address.is_global or address == ipaddress.ip_address("127.0.0.1")


@dataclass
class Taken:
    """One request that came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it got, and how it answers.

    Args:
        answers: statuses, one for each request; the last for all that follow.
        seconds: how long each answer takes.
    """

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    body: bytes = b"taken"
    seconds: float = 0
    taken: list[Taken] = field(default_factory=list)

    def status(self) -> int:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            receiver.taken.append(Taken(dict(self.headers), self.rfile.read(length)))
            if receiver.seconds:
                time.sleep(receiver.seconds)
            status = receiver.status()
            self.send_response(status)
            if status in {301, 302, 307, 308}:
                self.send_header("Location", f"{receiver.url}elsewhere")
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
