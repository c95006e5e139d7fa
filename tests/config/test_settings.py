"""What the settings make of the environment: each in a process of its own, as it is deployed."""

import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "production-" + "0123456789abcdef" * 4,
    "DATABASE_URL": "postgresql://terrace_app@127.0.0.1:1/terrace",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "TERRACE_BASE_DOMAIN": "terrace.example",
    "EMAIL_HOST": "127.0.0.1",
}
SEND = """
import django
django.setup()
from django.core.mail import send_mail
send_mail("Hello", "Nice to meet you.", None, ["ann@example.com"])
"""


def run_python(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program with this environment alone; it must end within a minute."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class MailServer(socketserver.ThreadingTCPServer):
    """Enough of SMTP to take mails: keeps what was said to it."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.said: list[str] = []


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._answer("220 mail.example ESMTP")
        in_mail = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            self.server.said.append(line)
            word = line.upper().partition(" ")[0]
            if in_mail:
                in_mail = line != "."
                if not in_mail:
                    self._answer("250 taken")
            elif word == "EHLO":
                self._answer("250-mail.example\r\n250 AUTH PLAIN")
            elif word == "AUTH":
                self._answer("235 welcome")
            elif word == "DATA":
                in_mail = True
                self._answer("354 go on")
            elif word == "QUIT":
                self._answer("221 bye")
                return
            else:
                self._answer("250 ok")

    def _answer(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server on loopback."""
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_owners_database_without_the_applications_is_refused() -> None:
    done = run_python(
        "from django.conf import settings; settings.DEBUG",
        {
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "DATABASE_ADMIN_URL": "postgresql://terrace_owner@127.0.0.1:1/terrace",
        },
    )
    assert done.returncode != 0
    assert "DATABASE_ADMIN_URL is set and DATABASE_URL is not." in done.stderr


# --- A developer's machine -------------------------------------------------------------------------

VISIT = """
import django
django.setup()
from django.core.mail import EmailMultiAlternatives
from django.test import Client
page = Client(headers={"host": "localhost"}).get("/").content.decode()
print("toolbar:", 'id="djDebug"' in page)
print("reload:", "django-browser-reload" in page)
for number in range(2):
    letter = EmailMultiAlternatives("Grüße", "Your code: 123 456", to=["ann+x@example.com"])
    letter.attach_alternative("<p>Your code</p>", "text/html")
    print("sent:", letter.send())
"""


def test_local_pages_have_a_toolbar_and_reload_and_mails_are_files(tmp_path: Path) -> None:
    servers = ("DATABASE_URL", "DATABASE_ADMIN_URL", "REDIS_URL")
    mails = tmp_path / "data" / "mails"
    done = run_python(
        VISIT,
        {name: os.environ[name] for name in servers}
        | {
            "DJANGO_SETTINGS_MODULE": "config.settings.local",
            "TERRACE_DATA_DIR": str(tmp_path / "data"),
        },
    )
    assert done.stdout.split("\n")[:4] == ["toolbar: True", "reload: True", "sent: 1", "sent: 1"], (
        done.stdout + done.stderr
    )
    files = sorted(mails.iterdir())
    assert len(files) == 2
    for file in files:
        assert file.suffix == ".eml"
        assert "-ann+x@example.com-" in file.name
        letter = message_from_bytes(file.read_bytes(), policy=default_policy)
        assert (letter["To"], letter["Subject"]) == ("ann+x@example.com", "Grüße")
        text, html = letter.get_body(("plain",)), letter.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().strip() == "Your code: 123 456"
        assert html.get_content().strip() == "<p>Your code</p>"


# --- Production ------------------------------------------------------------------------------------


def test_production_mails_through_the_server_that_is_named(mail_server: MailServer) -> None:
    port = mail_server.server_address[1]
    done = run_python(
        SEND,
        PRODUCTION
        | {
            "EMAIL_PORT": str(port),
            "EMAIL_USE_TLS": "0",
            "EMAIL_HOST_USER": "terrace",
            "EMAIL_HOST_PASSWORD": "secret",
        },
    )
    assert done.returncode == 0, done.stderr
    # base64 of "\0terrace\0secret" (RFC 4616).
    assert "AUTH PLAIN AHRlcnJhY2UAc2VjcmV0" in mail_server.said
    assert "To: ann@example.com" in mail_server.said
    assert "From: Terrace <hello@terrace.example>" in mail_server.said


def test_production_sends_no_password_in_clear_text(mail_server: MailServer) -> None:
    port = mail_server.server_address[1]
    done = run_python(
        SEND,
        PRODUCTION
        | {"EMAIL_PORT": str(port), "EMAIL_HOST_USER": "terrace", "EMAIL_HOST_PASSWORD": "secret"},
    )
    assert done.returncode != 0
    assert "STARTTLS" in done.stderr
    assert not any(line.startswith("AUTH") for line in mail_server.said)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "587 True False 10"),
        ({"EMAIL_USE_SSL": "1"}, "465 False True 10"),
        ({"EMAIL_USE_TLS": "0", "EMAIL_PORT": "25", "EMAIL_TIMEOUT": "3"}, "25 False False 3"),
    ],
)
def test_mail_is_encrypted_unless_told_otherwise(
    environment: dict[str, str], expected: str
) -> None:
    done = run_python(
        "from django.conf import settings as s\n"
        "print(s.EMAIL_PORT, s.EMAIL_USE_TLS, s.EMAIL_USE_SSL, s.EMAIL_TIMEOUT)",
        PRODUCTION | environment,
    )
    assert done.stdout.strip() == expected, done.stderr


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL", "TERRACE_BASE_DOMAIN", "EMAIL_HOST"]
)
def test_production_names_the_variable_that_is_missing(name: str) -> None:
    done = run_python("from django.conf import settings; settings.DEBUG", PRODUCTION | {name: ""})
    assert done.returncode != 0
    assert "Set these environment variables, for example:" in done.stderr
    assert f"  {name}=" in done.stderr


def test_production_refuses_two_ways_to_encrypt_mail() -> None:
    done = run_python(
        "from django.conf import settings; settings.DEBUG",
        PRODUCTION | {"EMAIL_USE_TLS": "1", "EMAIL_USE_SSL": "1"},
    )
    assert done.returncode != 0
    assert "EMAIL_USE_TLS and EMAIL_USE_SSL are both on." in done.stderr
