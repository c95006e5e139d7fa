"""A server that speaks what the S3 store needs of S3, on loopback: parts, objects, errors.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_XML = '<?xml version="1.0" encoding="UTF-8"?>'


@dataclass
class Bucket:
    """What the server holds, and what it was asked."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    largest_body: int = 0
    # The number of the part that is refused, once; 0 is none.
    refuse_part: int = 0


@contextmanager
def run_s3_server() -> Iterator[tuple[str, Bucket]]:
    """Its address, and what it holds."""
    bucket = Bucket()
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bucket
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    bucket: Bucket
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        key, query = self._asked()
        self._body()
        if "uploads" in query:
            upload = f"upload-{len(self.bucket.uploads)}"
            self.bucket.uploads[upload] = {}
            self._answer(
                200,
                f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>"
                "</InitiateMultipartUploadResult>",
            )
        else:
            parts = self.bucket.uploads.pop(query["uploadId"][0])
            self.bucket.objects[key] = b"".join(parts[number] for number in sorted(parts))
            self._answer(200, "<CompleteMultipartUploadResult/>")

    def do_PUT(self) -> None:
        _, query = self._asked()
        body = self._body()
        self.bucket.largest_body = max(self.bucket.largest_body, len(body))
        number = int(query["partNumber"][0])
        if number == self.bucket.refuse_part:
            self._answer(403, "<Error><Code>AccessDenied</Code><Message>No</Message></Error>")
            return
        self.bucket.uploads[query["uploadId"][0]][number] = body
        self._answer(200, "", ETag=f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')

    def do_GET(self) -> None:
        key, _ = self._asked()
        if key not in self.bucket.objects:
            self._answer(404, "<Error><Code>NoSuchKey</Code><Message>None</Message></Error>")
            return
        self._answer(200, self.bucket.objects[key])

    def do_DELETE(self) -> None:
        key, query = self._asked()
        if "uploadId" in query:
            self.bucket.uploads.pop(query["uploadId"][0], None)
        else:
            self.bucket.objects.pop(key, None)
        self._answer(204, "")

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path.lstrip("/"), parse_qs(parts.query, keep_blank_values=True)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = bytearray()
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return self._decoded(bytes(body))
        return self._decoded(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _decoded(self, body: bytes) -> bytes:
        """Without the checksum that newer clients put behind a body (aws-chunked)."""
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        plain = bytearray()
        while body:
            head, _, body = body.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if not size:
                break
            plain += body[:size]
            body = body[size + 2 :]
        return bytes(plain)

    def _answer(self, status: int, body: str | bytes, **headers: str) -> None:
        content = body if isinstance(body, bytes) else (_XML + body if body else "").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""
