"""A mail server on loopback that can be busy (RFC 5321)."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MailServer(socketserver.ThreadingTCPServer):
    """Takes letters; the first `refusals` visits it sends away with 421."""

    daemon_threads = True

    def __init__(self, *, refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.refusals = refusals
        self.visits = 0
        self.letters: list[str] = []

    @property
    def port(self) -> int:
        port: int = self.server_address[1]
        return port


class _Visit(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.server.visits += 1
        if self.server.visits <= self.server.refusals:
            self.wfile.write(b"421 too busy\r\n")
            return
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.letters.append(b"".join(lines).decode())
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")


@contextmanager
def mail_server(*, refusals: int = 0) -> Iterator[MailServer]:
    """The server, listening until the block ends."""
    with MailServer(refusals=refusals) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
