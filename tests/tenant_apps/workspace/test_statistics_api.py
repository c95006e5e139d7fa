"""/api/v1/stats/: the dashboard's figures for programs; asynchronous, and each tenant its own."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.users import api_tokens
from tenant_apps.users.models import ApiToken, User
from tenant_apps.workspace import periods, statistics
from tenant_apps.workspace.models import DayFigures
from tests.conftest import AsyncHostClient
from tests.tenant_apps.conftest import LoggedIn, People
from tests.tenant_apps.workspace.test_dashboard import EMPTY, keep_day

PATH = "/api/v1/stats/"
ROOT = Path(__file__).resolve().parent.parent.parent.parent


def test_figures_of_days_are_told(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        keep_day(1, views=12, pieces=3)
        today = statistics.today_in(statistics.workspace_zone())
    answer = as_role("owner").get(PATH, {"from": str(today - timedelta(days=2))})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["last"], told["time_zone"], len(told["periods"])) == (str(today), "UTC", 3)
    assert told["periods"][0]["views"] is None
    assert (told["periods"][1]["views"], told["periods"][1]["pieces"]) == (12, 3)
    assert told["periods"][2]["views"] == 0
    assert answer["ETag"]


@pytest.mark.parametrize(
    ("role", "status", "seen", "hidden"),
    [
        ("owner", 200, ("views", "joined", "pieces"), ()),
        ("editor", 200, ("views", "pieces"), ("joined",)),
        ("author", 200, ("views",), ("joined", "pieces")),
        ("member", 403, (), ()),
        ("visitor", 401, (), ()),
    ],
)
def test_each_role_is_told_its_own(
    acme: TenantRef,
    acme_people: People,
    as_role: LoggedIn,
    role: str,
    status: int,
    seen: tuple[str, ...],
    hidden: tuple[str, ...],
) -> None:
    with context.run_in(acme):
        keep_day(1, views=12, pieces=3, joined=1)
    answer = as_role(role).get(PATH)
    assert answer.status_code == status
    if status == 200:
        day = answer.json()["periods"][-2]
        assert all(day[name] is not None for name in seen)
        assert all(day[name] is None for name in hidden)


@pytest.mark.parametrize(
    "query",
    [{"from": "yesterday"}, {"to": "2026-13-01"}, {"from": "2026-02-02", "to": "2026-02-01"},
     {"from": "2020-01-01", "to": "2026-01-01"},
     {"from": "2025-01-01", "to": "2026-01-02"}, {"fields": "nothing"},
     {"interval": "year"}, {"interval": ""}],
)  # fmt: skip
def test_question_that_makes_no_sense_is_named(
    acme: TenantRef, as_role: LoggedIn, query: dict[str, str]
) -> None:
    answer = as_role("owner").get(PATH, query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] in query


def test_two_tenants_at_once_are_told_each_its_own(
    acme: TenantRef,
    globex: TenantRef,
    acme_people: People,
    globex_people: People,
    async_client_of: Callable[[TenantRef | None], AsyncHostClient],
) -> None:
    clients: list[tuple[AsyncHostClient, int]] = []
    for tenant, people, views in ((acme, acme_people, 11), (globex, globex_people, 22)):
        client = async_client_of(tenant)
        with context.run_in(tenant):
            keep_day(1, views=views)
            client.force_login(people["owner"], "tenant_apps.users.backends.EmailBackend")
        clients.append((client, views))

    async def ask(client: AsyncHostClient) -> Any:
        answer: Any = await client.get(PATH)
        return answer.json()["periods"][-2]["views"]

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(ask(client) for client, _ in clients * 5))

    told = async_to_sync(all_at_once)()
    assert told == [views for _, views in clients * 5]


@pytest.mark.parametrize(
    ("interval", "firsts"),
    [
        ("day", ["2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02"]),
        # A Friday; the week of the Monday after it.
        ("week", ["2026-01-30", "2026-02-02"]),
        ("month", ["2026-01-30", "2026-02-01"]),
    ],
)
def test_days_are_put_together(
    acme: TenantRef, as_role: LoggedIn, interval: str, firsts: list[str]
) -> None:
    with context.run_in(acme):
        for number, day in enumerate((30, 31), start=1):
            figures = {**EMPTY, "views": number, "pieces": number * 10, "seen": 1}
            DayFigures.objects.create(day=date(2026, 1, day), **figures)
    question = {"from": "2026-01-30", "to": "2026-02-02", "interval": interval}
    told = as_role("owner").get(PATH, question).json()
    assert told["interval"] == interval
    assert [period["first"] for period in told["periods"]] == firsts
    assert told["periods"][-1]["last"] == "2026-02-02"
    first, last = told["periods"][0], told["periods"][-1]
    if interval == "day":
        assert (first["views"], first["pieces"], first["seen"]) == (1, 10, 1)
    else:
        # What happened adds up, of what was there the newest is told; who was seen can't be added.
        assert (first["views"], first["pieces"], first["seen"]) == (3, 20, None)
    assert (last["views"], last["pieces"]) == (None, None)


@pytest.mark.parametrize(
    ("day", "interval", "first"),
    [
        (date(2026, 3, 1), periods.WEEK, date(2026, 2, 23)),
        (date(2026, 3, 2), periods.WEEK, date(2026, 3, 2)),
        (date(2025, 12, 31), periods.WEEK, date(2025, 12, 29)),
        (date(2026, 1, 1), periods.WEEK, date(2025, 12, 29)),
        (date(2024, 2, 29), periods.MONTH, date(2024, 2, 1)),
        (date(2024, 2, 29), periods.DAY, date(2024, 2, 29)),
    ],
)
def test_first_day_of_a_span(day: date, interval: str, first: date) -> None:
    assert periods.first_of(day, interval) == first


def test_program_with_a_token_is_told(acme: TenantRef, acme_people: People, client: Any) -> None:
    with context.run_in(acme):
        tokens = {
            scope: api_tokens.issue_token(
                person=acme_people["owner"], name=scope, scopes=[scope], lifetime=timedelta(days=7)
            )[1]
            for scope in ("workspace:read", "articles:read")
        }
    told = {
        scope: client.get(
            PATH, headers={"host": acme.hostname, "authorization": f"Bearer {token}"}
        ).status_code
        for scope, token in tokens.items()
    }
    assert told == {"workspace:read": 200, "articles:read": 403}


# --- A real server ---------------------------------------------------------------------------------


@pytest.fixture
def token_of(cast: dict[str, TenantRef], committing_db: None) -> Iterator[dict[str, str]]:
    """A token of each tenant's owner; acme had 11 readers on one day, globex 22. All of it committed."""
    tokens = {}
    for name, views in (("acme", 11), ("globex", 22)):
        with context.run_in(cast[name]):
            owner = User.objects.get(email=f"owner@{name}.example")
            _, tokens[name] = api_tokens.issue_token(
                person=owner, name="x", scopes=["workspace:read"], lifetime=timedelta(days=1)
            )
            DayFigures.objects.create(day=date(2026, 1, 1), **{**EMPTY, "views": views})
    yield tokens
    for name in tokens:
        with context.run_in(cast[name]):
            ApiToken.objects.all().delete()
            DayFigures.objects.all().delete()
            Entry.objects.filter(verb="token.issued").delete()


@pytest.fixture
def uvicorn(token_of: dict[str, str], tmp_path: Path) -> Iterator[int]:
    """The platform under uvicorn, on a free port of loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.served_settings",
        "TERRACE_TEST_DATABASE": settings.DATABASES["default"]["NAME"],
        "TERRACE_CONN_MAX_AGE": "0",
    }
    log = tmp_path / "uvicorn.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "config.asgi:application", f"--port={port}",
             "--host=127.0.0.1", "--log-level=warning", "--lifespan=off"],
            cwd=ROOT, env=environment, stdout=written, stderr=written,
        )  # fmt: skip
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            process.wait(20)
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.mark.slow
def test_uvicorn_tells_each_tenant_its_own(
    uvicorn: int, cast: dict[str, TenantRef], token_of: dict[str, str]
) -> None:
    """Forty requests at once; a token of the one on the other's host is told nothing."""

    async def ask(host: str, token: str) -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", uvicorn)
        question = f"{PATH}?from=2026-01-01&to=2026-01-01"
        writer.write(
            f"GET {question} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        await writer.drain()
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    async def all_at_once() -> list[tuple[int, Any]]:
        work = [
            ask(cast[host].hostname, token_of[token])
            for _ in range(10)
            for host in ("acme", "globex")
            for token in ("acme", "globex")
        ]
        return await asyncio.gather(*work)

    told = asyncio.run(all_at_once())
    statuses = [status for status, _ in told]
    assert statuses == [200, 401, 401, 200] * 10
    views = [body["periods"][0]["views"] for status, body in told if status == 200]
    assert views == [11, 22] * 10
