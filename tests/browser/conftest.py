"""A street of its own for the browser: database, web server and worker, and a Chromium.

It begins with the demo tenants acme and globex, as `./terrace up` does. The pages are what visitors
get: DEBUG is off, the policy is the strict one, tasks go through the queue. Screenshots are written
to test-results/ for people to look at.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from shared_apps.tenants.postgresql.bootstrap import bootstrap_database

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "test-results"
PATIENCE_SECONDS = 60
# The browser's Redis databases come after those of the suite's workers.
FIRST_REDIS_DATABASE = 8

Theme = Literal["light", "dark"]

# A worker and a web server share the machine with the rest of the suite.
expect.set_options(timeout=20_000)
T = TypeVar("T")


@dataclass
class Place:
    """A running Terrace, and where its mails are."""

    port: int
    mail_folder: Path

    def url(self, path: str, subdomain: str = "") -> str:
        """A page of the public site, or of a tenant."""
        host = f"{subdomain}.localhost" if subdomain else "localhost"
        return f"http://{host}:{self.port}{path}"

    def letter_to(self, email: str) -> str:
        """The text of the newest mail to this address, when it has come."""
        return _wait_for(lambda: self._newest_letter(email), f"a mail to {email}")

    def _newest_letter(self, email: str) -> str | None:
        for path in sorted(self.mail_folder.glob("*.eml"), reverse=True):
            letter = message_from_bytes(path.read_bytes(), policy=default_policy)
            text = letter.get_body(("plain",))
            if letter["To"] == email and text is not None:
                return str(text.get_content())
        return None


@dataclass
class Street(Place):
    """The one of these tests, whose worker and database are at hand."""

    worker: subprocess.Popen[bytes]
    database_url: str

    def empty_pool(self) -> None:
        """Take the ready schemas away, so that the next workspace has to be built."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("DELETE FROM public.tenants_readyschema")

    @contextlib.contextmanager
    def worker_asleep(self) -> Iterator[None]:
        """Nothing is done in the background meanwhile."""
        os.killpg(self.worker.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.worker.pid, signal.SIGCONT)


def code_in(letter: str) -> str:
    """The six digits of a sign-up's mail."""
    found = re.search(r"Your code: (\d{3}) (\d{3})", letter)
    assert found, letter
    return found[1] + found[2]


@pytest.fixture(scope="session")
def street(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """A web server and a worker on a fresh database, stopped and dropped at the end."""
    folder = tmp_path_factory.mktemp("street")
    (folder / "mails").mkdir()
    database = f"test_terrace_browser_{worker_id}"
    superuser_url = os.environ["DATABASE_SUPERUSER_URL"]
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())
    bootstrap_database(superuser_url, database=database)
    port = free_port()
    environment = _environment(database, port, folder, worker_id)
    with redis.Redis.from_url(environment["REDIS_URL"]) as client:
        client.flushdb()
    with contextlib.ExitStack() as stack:
        _prepare(environment, folder / "prepare.log")
        gunicorn = ["-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "6"]
        worker = ["-m", "celery", "--app", "config", "worker", "--pool", "solo"]
        web = _start([*gunicorn, "config.wsgi:application"], environment, folder / "web.log")
        stack.callback(_stop, web)
        background = _start(worker, environment, folder / "worker.log")
        stack.callback(_stop, background)
        _wait_for(lambda: _answers(port), f"the web server; see {folder}/web.log")
        yield Street(port, folder / "mails", background, _with_path(superuser_url, database))
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The machine's Chromium. Its sandbox can't be had as root."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    path = os.environ.get("TERRACE_CHROMIUM")
    return {**browser_type_launch_args, "executable_path": path, "args": arguments}


@dataclass
class Visit:
    """A browser window of one visitor, and what went wrong in it."""

    context: BrowserContext
    page: Page
    name: str
    complaints: list[str] = field(default_factory=list)

    def screenshot(self, name: str) -> None:
        """Keep the whole page as a picture."""
        RESULTS.mkdir(exist_ok=True)
        self.page.screenshot(path=RESULTS / f"{self.name}-{name}.png", full_page=True)

    def accessibility_faults(self) -> list[str]:
        """What axe (WCAG 2.2 A and AA, and its best practices) finds on the page."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{fault['id']}: {node['target']} {node.get('failureSummary', '')}"
            for fault in found
            for node in fault["nodes"]
        ]


VisitMaker = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[VisitMaker]:
    """`visit(theme="dark", phone=True)`: one more visitor. A browser's complaint fails the test."""
    with contextlib.ExitStack() as stack:
        visits: list[Visit] = []

        def open_window(
            *,
            theme: Theme = "light",
            phone: bool = False,
            scripts: bool = True,
            for_axe: bool = False,
        ) -> Visit:
            # Axe brings a style element of its own, which the pages' policy would stop.
            context = browser.new_context(
                color_scheme=theme,
                viewport={"width": 390, "height": 844} if phone else {"width": 1280, "height": 860},
                java_script_enabled=scripts,
                bypass_csp=for_axe,
                reduced_motion="reduce",
            )
            stack.callback(context.close)
            test = re.sub(r"\W+", "-", request.node.name).strip("-")
            opened = Visit(context, context.new_page(), test)
            if not for_axe:
                _listen(opened)
            visits.append(opened)
            return opened

        yield open_window
    assert [complaint for opened in visits for complaint in opened.complaints] == []


def _listen(opened: Visit) -> None:
    def on_console(message: Any) -> None:
        if message.type in {"error", "warning"}:
            opened.complaints.append(f"{message.type}: {message.text}")

    opened.page.on("console", on_console)
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))


def _environment(database: str, port: int, folder: Path, worker_id: str) -> dict[str, str]:
    number = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    redis_url = f"{os.environ['REDIS_URL'].rsplit('/', 1)[0]}/{FIRST_REDIS_DATABASE + number}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.browser.settings",
        "DATABASE_URL": _with_path(os.environ["DATABASE_URL"], database),
        "DATABASE_ADMIN_URL": _with_path(os.environ["DATABASE_ADMIN_URL"], database),
        "REDIS_URL": redis_url,
        "TERRACE_BASE_DOMAIN": "localhost",
        "TERRACE_PORT": str(port),
        "TERRACE_DATA_DIR": str(folder),
        "TERRACE_MAIL_DIR": str(folder / "mails"),
        "PYTHONWARNINGS": "default",
    }


def _with_path(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _prepare(environment: dict[str, str], log: Path) -> None:
    """Migrate, and seed acme and globex, with the settings in which seed_demo runs."""
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "config.launcher.preparing"],
            cwd=ROOT,
            env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings.local"},
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    assert done.returncode == 0, log.read_text()


def _start(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/static/favicon.svg") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait_for(look: Callable[[], T | None], what: str) -> T:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"Waited {PATIENCE_SECONDS} s in vain for {what}.")
