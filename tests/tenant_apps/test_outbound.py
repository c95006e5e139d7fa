"""Calls to hosts that a tenant names: real servers on loopback, the guard handed in."""

import http.server
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tenant_apps.outbound import (
    Address,
    AnswerTooLarge,
    Limits,
    Message,
    OutboundFailed,
    OutboundRefused,
    check_url,
    is_public,
    send,
)

PRIVATE = [
    "127.0.0.1",
    "10.0.0.8",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.4",
    "::",
    "::1",
    "::7f00:1",
    "fe80::1",
    "fec0::1",
    "fc00::5",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers by path; keeps what it was asked."""

    seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        self.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        port = cast("http.server.HTTPServer", self.server).server_port
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to?").replace("PORT", str(port)))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b"x")
                time.sleep(0.05)
            return
        if self.path == "/drip-headers":
            for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200:
                self.wfile.write(bytes([letter]))
                time.sleep(0.05)
            return
        content = b"x" * 5_000 if self.path == "/long" else b"answer"
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Kind", "test")
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing on the terminal."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what the tests are about."""


def _serve(server: Server) -> Iterator[Server]:
    Receiver.seen.clear()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def receiver() -> Iterator[Server]:
    yield from _serve(Server(("127.0.0.1", 0), Receiver))


def anyone(address: Address) -> bool:
    return True


def only_loopback_four(address: Address) -> bool:
    return str(address) == "127.0.0.1"


@pytest.mark.parametrize("address", PRIVATE)
def test_is_public_of_an_inner_address(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_is_public_of_a_public_address(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25lo]/",
        "https://localhost:5432/",
        "http://①②⑦.0.0.1/",
    ],
)
def test_check_url_of_an_inner_host(url: str) -> None:
    with pytest.raises(OutboundRefused):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://8.8.8.8/", "starts with https:// or http://"),
        ("file:///etc/passwd", "starts with https://"),
        ("8.8.8.8", "starts with"),
        ("http://", "has a host"),
        ("http://me:secret@8.8.8.8/", "no user name"),
        ("http://8.8.8.8\\@127.0.0.1/", "no spaces, backslashes"),
        ("http://8.8.8.8/\r\nX: y", "no spaces, backslashes"),
        ("http://8.8.8.8:99999/", "not an address"),
        ("http://no-such-host.invalid/", "no address in the DNS"),
        ("http://8.8.8.8/" + "a" * 2_000, "at most 2000 characters"),
    ],
)
def test_check_url_of_something_else(url: str, reason: str) -> None:
    with pytest.raises(OutboundRefused, match=reason):
        check_url(url)


def test_check_url_without_tls_where_it_must_be() -> None:
    with pytest.raises(OutboundRefused, match=r"starts with https:// and"):
        check_url("http://8.8.8.8/", schemes=("https",))


def test_check_url_of_a_public_host() -> None:
    check_url("https://8.8.8.8/hook?x=1")


def test_check_url_when_one_address_of_several_is_inner(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_of_dns(monkeypatch, lambda: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(OutboundRefused, match=r"10\.0\.0\.1"):
        check_url("https://two-faced.example/")


def test_send_to_an_inner_host_sends_nothing(receiver: Server) -> None:
    with pytest.raises(OutboundRefused):
        send(f"http://127.0.0.1:{receiver.server_port}/", limits=Limits(max_bytes=100))
    assert Receiver.seen == []


def test_send_takes_the_answer(receiver: Server) -> None:
    url = f"http://localhost:{receiver.server_port}/caf\u00e9?q=1"
    answer = send(
        url,
        message=Message(method="POST", body=b"{}", headers={"X-Own": "1"}),
        limits=Limits(max_bytes=100),
        allow=anyone,
    )
    assert (answer.status, answer.body, answer.url) == (200, b"answer", url)
    assert answer.headers["x-kind"] == "test"
    method, path, headers, body = Receiver.seen[0]
    assert (method, path, body) == ("POST", "/caf%C3%A9?q=1", b"{}")
    assert headers["Host"] == f"localhost:{receiver.server_port}"
    assert headers["X-Own"] == "1"


def test_send_connects_to_the_address_that_was_judged(
    receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second answer names an inner host. There is no second question."""
    answers = iter([["127.0.0.1"], ["127.0.0.9"]])
    answer_of_dns(monkeypatch, lambda: next(answers))
    answer = send(
        f"http://rebound.example:{receiver.server_port}/",
        limits=Limits(max_bytes=100),
        allow=only_loopback_four,
    )
    assert answer.body == b"answer"
    assert next(answers) == ["127.0.0.9"]


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:PORT/", "http://[::1]:PORT/", "//127.0.0.2:PORT/", "file:///etc/passwd"],
)
def test_send_judges_a_redirect(receiver: Server, target: str) -> None:
    with pytest.raises(OutboundRefused):
        send(
            f"http://127.0.0.1:{receiver.server_port}/to?{target}",
            limits=Limits(max_bytes=100, redirects=3),
            allow=only_loopback_four,
        )
    assert len(Receiver.seen) == 1


def test_send_follows_a_redirect(receiver: Server) -> None:
    answer = send(
        f"http://127.0.0.1:{receiver.server_port}/to?/there",
        limits=Limits(max_bytes=100, redirects=1),
        allow=anyone,
    )
    assert answer.url == f"http://127.0.0.1:{receiver.server_port}/there"
    assert answer.body == b"answer"


def test_send_follows_no_more_redirects_than_asked_for(receiver: Server) -> None:
    answer = send(
        f"http://127.0.0.1:{receiver.server_port}/to?/to?/there",
        limits=Limits(max_bytes=100, redirects=1),
        allow=anyone,
    )
    assert (answer.status, len(Receiver.seen)) == (302, 2)


def test_send_never_follows_a_redirected_post(receiver: Server) -> None:
    answer = send(
        f"http://127.0.0.1:{receiver.server_port}/to?/there",
        message=Message(method="POST", body=b"secret"),
        limits=Limits(max_bytes=100, redirects=3),
        allow=anyone,
    )
    assert (answer.status, len(Receiver.seen)) == (302, 1)


def test_send_with_an_answer_too_large(receiver: Server) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}/long"
    with pytest.raises(AnswerTooLarge, match="more than 100 bytes"):
        send(url, limits=Limits(max_bytes=100), allow=anyone)
    assert send(url, limits=Limits(max_bytes=100, cut=True), allow=anyone).body == b"x" * 100


@pytest.mark.parametrize("path", ["/drip", "/drip-headers"])
def test_send_when_the_answer_drips(receiver: Server, path: str) -> None:
    with pytest.raises(OutboundFailed, match="in time"):
        send(
            f"http://127.0.0.1:{receiver.server_port}{path}",
            limits=Limits(max_bytes=1_000, seconds=0.4),
            allow=anyone,
        )


def test_send_when_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(OutboundFailed, match="in time"):
            send(url, limits=Limits(max_bytes=100, seconds=0.2), allow=anyone)
    with pytest.raises(OutboundFailed, match="No answer from"):
        send(url, limits=Limits(max_bytes=100), allow=anyone)


def test_send_when_the_answer_is_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            line, _ = server.accept()
            with line:
                line.recv(1_000)
                line.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OutboundFailed, match="No answer from"):
            send(
                f"http://127.0.0.1:{server.getsockname()[1]}/",
                limits=Limits(max_bytes=100),
                allow=anyone,
            )
        thread.join()


def test_send_checks_the_certificate(tmp_path: Path) -> None:
    authority = certificate(tmp_path, "hooks.example")
    server = Server(("127.0.0.1", 0), Receiver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    trust = ssl.create_default_context(cafile=authority)
    for _ in _serve(server):
        with pytest.MonkeyPatch.context() as patch:
            answer_of_dns(patch, lambda: ["127.0.0.1"])
            good = f"https://hooks.example:{server.server_port}/"
            assert (
                send(good, limits=Limits(max_bytes=100), allow=anyone, trust=trust).body
                == b"answer"
            )
            with pytest.raises(OutboundFailed, match="No safe connection"):
                send(good, limits=Limits(max_bytes=100), allow=anyone)
            with pytest.raises(OutboundFailed, match="No safe connection"):
                send(
                    f"https://other.example:{server.server_port}/",
                    limits=Limits(max_bytes=100),
                    allow=anyone,
                    trust=trust,
                )
    assert len(Receiver.seen) == 1


def answer_of_dns(monkeypatch: pytest.MonkeyPatch, addresses: Callable[[], list[str]]) -> None:
    """The DNS at its wire: names get these addresses, and addresses themselves stay."""
    ask = socket.getaddrinfo

    def answer(host: str, port: int, *args: object, **kinds: int) -> object:
        if not host.endswith(".example"):
            return ask(host, port, **kinds)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses()
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def certificate(folder: Path, name: str) -> Path:
    """A certificate of its own authority for this name, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
