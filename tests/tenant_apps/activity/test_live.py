"""An open page's stream. The views run under ASGI as uvicorn runs them; one test under uvicorn itself."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connections
from django.test import Client

from shared_apps.domains import middleware
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import live, notifications, streams
from tenant_apps.activity.models import Notification
from tenant_apps.users.models import User
from tests.conftest import AsyncHostClient
from tests.tenant_apps.conftest import LoggedIn, People

ROOT = Path(__file__).resolve().parents[3]
AsyncClientMaker = Callable[[TenantRef | None], AsyncHostClient]
BACKEND = "tenant_apps.users.backends.EmailBackend"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PAUSE", timedelta(milliseconds=5))


def _tell(tenant: TenantRef, person: User, sentence: str) -> None:
    with context.run_in(tenant):
        notifications.notify("invitation_accepted", sentence=sentence, path="/", to=[person])
        # As the commit would: the test's own transaction has no end.
        live.poke_now(person.pk)


def _logged_in(make: AsyncClientMaker, tenant: TenantRef, person: User) -> AsyncHostClient:
    client = make(tenant)
    with context.run_in(tenant):
        client.force_login(person, BACKEND)
    return client


async def _hang_up(response: Any) -> None:
    """As a server does when the client is gone. The loop ends the generators inside one after the other:
    at its own end it would end them in any order."""
    await response._iterator.aclose()
    for _ in range(500):
        if not middleware._being_read:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("The stream is still being read.")


async def _next_news(stream: AsyncIterator[bytes]) -> dict[str, Any]:
    async for part in stream:
        text = part.decode()
        if text.startswith("event: news"):
            told: dict[str, Any] = json.loads(text.split("data: ")[1])
            return told
        assert not text.startswith("event: gone"), text
    raise AssertionError("The stream has ended.")


def test_stream_tells_what_is_new(
    acme: TenantRef, acme_people: People, async_client_of: AsyncClientMaker, hurried: None
) -> None:
    member = acme_people["member"]
    _tell(acme, member, "Before the page was open")
    client = _logged_in(async_client_of, acme, member)

    async def scenario() -> None:
        response = await client.get("/live/")
        assert response.headers["Content-Type"] == "text/event-stream"
        assert "no-store" in response.headers["Cache-Control"]
        stream = aiter(response.streaming_content)
        first = await _next_news(stream)
        assert (first["unread"], first["new"]) == (1, [])
        await sync_to_async(_tell)(acme, member, "While it is open")
        second = await _next_news(stream)
        assert second["unread"] == 2
        assert [one["sentence"] for one in second["new"]] == ["While it is open"]
        assert second["imports"] == []
        await _hang_up(response)

    async_to_sync(scenario)()


def test_what_was_missed_between_two_streams_is_told(
    acme: TenantRef, acme_people: People, async_client_of: AsyncClientMaker, hurried: None
) -> None:
    member = acme_people["member"]
    _tell(acme, member, "Seen")
    with context.run_in(acme):
        seen = Notification.objects.get().pk
    _tell(acme, member, "Missed")
    client = _logged_in(async_client_of, acme, member)

    async def scenario() -> None:
        response = await client.get("/live/", headers={"Last-Event-ID": str(seen)})
        news = await _next_news(aiter(response.streaming_content))
        assert [one["sentence"] for one in news["new"]] == ["Missed"]
        await _hang_up(response)

    async_to_sync(scenario)()


def test_neighbours_news_wakes_nobody(
    acme: TenantRef,
    globex: TenantRef,
    acme_people: People,
    async_client_of: AsyncClientMaker,
    hurried: None,
) -> None:
    """A person of globex with the same key as one of acme, and news for that one alone."""
    member = acme_people["member"]
    with context.run_in(globex):
        role = User.objects.get().role
        twin = User.objects.create(
            pk=member.pk, email=member.email, full_name="globex twin", role=role
        )
    client = _logged_in(async_client_of, acme, member)

    async def scenario() -> None:
        response = await client.get("/live/")
        stream = aiter(response.streaming_content)
        assert (await _next_news(stream))["unread"] == 0
        await sync_to_async(_tell)(globex, twin, "globex-secret")
        waiting = asyncio.ensure_future(_next_news(stream))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done, "acme's stream heard of globex"
        await sync_to_async(_tell)(acme, member, "acme's own")
        news = await waiting
        assert news["unread"] == 1
        assert "globex" not in json.dumps(news)
        await _hang_up(response)

    async_to_sync(scenario)()


def test_stream_ends_with_the_session(
    acme: TenantRef, acme_people: People, async_client_of: AsyncClientMaker, hurried: None
) -> None:
    member = acme_people["member"]
    client = _logged_in(async_client_of, acme, member)

    def log_out() -> None:
        with context.run_in(acme):
            Session.objects.all().delete()
            cache.clear()
            live.poke_now(member.pk)

    async def scenario() -> list[str]:
        response = await client.get("/live/")
        stream = aiter(response.streaming_content)
        await _next_news(stream)
        await sync_to_async(log_out)()
        return [part.decode() async for part in stream]

    assert async_to_sync(scenario)()[-1].startswith("event: gone")


def test_stream_gives_a_sign_of_life_and_ends_by_itself(
    acme: TenantRef,
    acme_people: People,
    async_client_of: AsyncClientMaker,
    hurried: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", timedelta(milliseconds=20))
    monkeypatch.setattr(streams, "LONGEST", timedelta(milliseconds=300))
    client = _logged_in(async_client_of, acme, acme_people["member"])

    async def scenario() -> list[str]:
        response = await client.get("/live/")
        return [part.decode() async for part in aiter(response.streaming_content)]

    parts = async_to_sync(scenario)()
    assert parts[0].startswith("retry:")
    assert ": still here\n\n" in parts


def test_person_has_so_many_streams_and_no_more(
    acme: TenantRef, acme_people: People, async_client_of: AsyncClientMaker, hurried: None
) -> None:
    client = _logged_in(async_client_of, acme, acme_people["member"])
    other = _logged_in(async_client_of, acme, acme_people["editor"])

    async def scenario() -> list[int]:
        opened = [await client.get("/live/") for _ in range(streams.MAX_STREAMS)]
        statuses = [one.status_code for one in opened]
        statuses.append((await client.get("/live/")).status_code)
        one_of_others = await other.get("/live/")
        statuses.append(one_of_others.status_code)
        stream = aiter(opened[0].streaming_content)
        await anext(stream)
        await _hang_up(opened[0])
        again = await client.get("/live/")
        statuses.append(again.status_code)
        return statuses

    expected = [200] * streams.MAX_STREAMS + [204, 200, 200]
    assert async_to_sync(scenario)() == expected


def test_threads_and_strangers_are_told_to_ask_otherwise(
    acme: TenantRef, as_role: LoggedIn, async_client_of: AsyncClientMaker
) -> None:
    assert as_role("member").get("/live/").status_code == 204
    stranger = async_client_of(acme)
    assert async_to_sync(stranger.get)("/live/").status_code == 204


# --- A real server ---------------------------------------------------------------------------------


@pytest.fixture
def living(
    committing_db: None, cast: dict[str, TenantRef], tmp_path: Path
) -> Iterator[tuple[int, str, UUID]]:
    """uvicorn on a free port: the port, the cookie of somebody who is logged in, and who it is."""
    acme = cast["acme"]
    with context.run_in(acme):
        owner = User.objects.get(email="owner@acme.example")
        client = Client(headers={"host": acme.hostname})
        client.force_login(owner, BACKEND)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.tenant_apps.activity.live_settings",
        "TERRACE_TEST_DATABASE": settings.DATABASES["default"]["NAME"],
    }
    log = (tmp_path / "uvicorn.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "config.asgi:application", f"--port={port}",
         "--host=127.0.0.1", "--log-level=warning", "--lifespan=off"],
        cwd=ROOT, env=environment, stdout=log, stderr=log,
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "uvicorn.log").read_text()
                time.sleep(0.1)
        yield port, cookie, owner.pk
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        with context.run_in(acme):
            Notification.objects.all().delete()
            Session.objects.all().delete()
    shown = (tmp_path / "uvicorn.log").read_text()
    assert "Traceback" not in shown, shown


def _connections_of(name: str) -> int:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name])
        return int(cursor.fetchone()[0])


@pytest.mark.slow
def test_stream_under_uvicorn_holds_no_connection_while_it_waits(
    living: tuple[int, str, UUID], cast: dict[str, TenantRef]
) -> None:
    port, cookie, owner_id = living
    with socket.create_connection(("127.0.0.1", port), 20) as line:
        request = (
            "GET /live/ HTTP/1.1\r\nHost: acme.localhost\r\n"
            f"Cookie: {settings.SESSION_COOKIE_NAME}={cookie}\r\n\r\n"
        )
        line.sendall(request.encode())
        seen = b""
        while b"event: news" not in seen or b'"unread": 0' not in seen:
            seen += line.recv(65_536)
        for _ in range(100):
            if _connections_of("terrace-live-test") == 0:
                break
            time.sleep(0.1)
        assert _connections_of("terrace-live-test") == 0
        with context.run_in(cast["acme"]):
            owner = User.objects.get(pk=owner_id)
            notifications.notify(
                "invitation_accepted", sentence="Nina has joined.", path="/", to=[owner]
            )
        while b"Nina has joined." not in seen:
            more = line.recv(65_536)
            assert more, seen
            seen += more
    assert b'"unread": 1' in seen
