"""A visitor of the public site, and what reaches the visitor by mail."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.db import connections
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, DjangoDbBlocker

from config.celery import app


@dataclass
class Visitor:
    """A browser on the public host. What is done on commit is done at once."""

    run_on_commit: DjangoCaptureOnCommitCallbacks
    client: Client = field(default_factory=lambda: Client(headers={"host": _host()}))

    def get(self, path: str, **headers: Any) -> Any:
        """A page."""
        return self.client.get(path, **headers)

    def post(self, path: str, **data: Any) -> Any:
        """A form, and its mails."""
        headers = data.pop("headers", None)
        with self.run_on_commit(execute=True):
            return self.client.post(path, data, headers=headers)

    def asks_for_code(self, email: str) -> str:
        """Step 1: the digits of the mail."""
        answer = self.post("/sign-up/", email=email)
        assert answer.status_code == 302, answer.content
        return digits()

    def verifies(self, email: str) -> None:
        """Step 1, as far as it goes."""
        code = self.asks_for_code(email)
        assert self.post("/sign-up/code/", code=code)["Location"] == "/sign-up/workspace/"

    def wishes(self, **changes: Any) -> Any:
        """Step 2, with everything in order but the changes."""
        wish = {
            "name": "Initech",
            "subdomain": "initech",
            "full_name": "Peter Gibbons",
            "password": "nine red swingline staplers",
        }
        return self.post("/sign-up/workspace/", **{**wish, **changes})


def _host() -> str:
    host: str = settings.TERRACE_BASE_DOMAIN
    return host


def digits() -> str:
    """The six digits of the newest mail."""
    found = re.search(r"Your code: (\d{3}) (\d{3})", str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return found[1] + found[2]


def link() -> str:
    """The path of the link in the newest mail."""
    found = re.search(r"https?://[^/]+(/sign-up/link/\S+)", str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return found[1]


@pytest.fixture(scope="module", autouse=True)
def _ready_schemas(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The pool has what a sign-up claims, before a test's transaction begins."""
    from shared_apps.tenants import ready_pool

    with django_db_blocker.unblock():
        ready_pool.fill()
        connections.close_all()


VisitorMaker = Callable[[], Visitor]


@pytest.fixture
def new_visitor(
    db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Iterator[VisitorMaker]:
    """`new_visitor()`: one more browser. Tasks are done where they are published."""
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield lambda: Visitor(django_capture_on_commit_callbacks)
    app.conf.update(task_always_eager=False, task_eager_propagates=False)


@pytest.fixture
def visitor(new_visitor: VisitorMaker) -> Visitor:
    """A browser that has not been here before."""
    return new_visitor()
