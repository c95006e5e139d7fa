"""Leak list 9, 12, 14 for async code: tasks interleaved, threads inside them, a real server."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import connection

from shared_apps.domains import middleware
from shared_apps.tenants import context
from shared_apps.tenants.errors import NoTenant, TenancyError
from tests.conftest import AsyncHostClient
from tests.isolation.conftest import Cast, left_on_connection, superuser
from tests.isolation.probe.models import Note

ROOT = Path(__file__).resolve().parent.parent.parent
VisitAsync = Callable[..., Any]


def _expected(subdomain: str) -> list[str]:
    return [f"{subdomain}-secret-{number}" for number in (1, 2, 3)]


async def _texts() -> list[str]:
    texts = []
    async for note in Note.objects.order_by("id"):
        await asyncio.sleep(0)
        texts.append(note.text)
    return texts


def test_async_tasks_interleaved_read_their_own_rows(planted: Cast) -> None:
    async def work(subdomain: str) -> list[list[str]]:
        seen = []
        for _ in range(10):
            with context.run_in(planted[subdomain]):
                await asyncio.sleep(0)
                seen.append(await _texts())
                await asyncio.sleep(0)
                assert context.require_tenant().subdomain == subdomain
        return seen

    async def both() -> list[list[list[str]]]:
        return await asyncio.gather(*(work(name) for name in ("acme", "globex") * 4))

    answers = async_to_sync(both)()
    for subdomain, seen in zip(("acme", "globex") * 4, answers, strict=True):
        assert seen == [_expected(subdomain)] * 10
    assert context.current_tenant() is None


def test_task_made_in_a_tenant_stays_in_it(planted: Cast) -> None:
    """A background task goes on after its request has left; it must not follow the next one."""

    async def scenario() -> list[str]:
        go = asyncio.Event()

        async def later() -> list[str]:
            await go.wait()
            return await _texts()

        with context.run_in(planted["acme"]):
            task = asyncio.create_task(later())
        with context.run_in(planted["globex"]):
            go.set()
            assert await _texts() == _expected("globex")
            return await task

    assert async_to_sync(scenario)() == _expected("acme")


def test_thread_inside_async_has_the_tenant_only_where_it_is_handed_on(planted: Cast) -> None:
    def read() -> str:
        try:
            return context.require_tenant().subdomain
        except NoTenant as error:
            return type(error).__name__

    async def scenario() -> list[str]:
        loop = asyncio.get_running_loop()
        with context.run_in(planted["acme"]), ThreadPoolExecutor(1) as pool:
            return [
                await sync_to_async(read)(),
                await sync_to_async(read, thread_sensitive=False)(),
                await asyncio.to_thread(read),
                await loop.run_in_executor(pool, context.carry(read)),
                await loop.run_in_executor(pool, read),
            ]

    assert async_to_sync(scenario)() == ["acme", "acme", "acme", "acme", "NoTenant"]


def test_carried_coroutine_keeps_its_tenant_to_the_end(planted: Cast) -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return context.require_tenant().subdomain

    with context.run_in(planted["acme"]):
        carried = context.carry(work)
    with context.run_in(planted["globex"]):
        assert async_to_sync(carried)() == "acme"


def test_async_orm_outside_its_tenant_is_refused(planted: Cast) -> None:
    async def scenario() -> str:
        with context.run_in(planted["acme"]):
            queryset = Note.objects.order_by("id")
            note = await Note.objects.aget(id=1)
        with context.run_in(planted["globex"]):
            refused = []
            for use in (queryset.afirst, queryset.acount, note.asave, note.arefresh_from_db):
                try:
                    await use()
                except TenancyError as error:
                    refused.append(type(error).__name__)
        return " ".join(refused)

    assert async_to_sync(scenario)() == "WrongTenant WrongTenant WrongTenant WrongTenant"


def test_async_requests_interleaved_are_served_in_their_tenants(
    planted: Cast, visit_async: VisitAsync
) -> None:
    async def all_of_them() -> list[Any]:
        visits = [
            visit_async(planted[name], view)
            for view in ("notes-async", "notes")
            for name in ("acme", "globex") * 5
        ]
        return await asyncio.gather(*visits)

    answers = async_to_sync(all_of_them)()
    for name, answer in zip(("acme", "globex") * 10, answers, strict=True):
        assert answer["notes"] == _expected(name)


def test_async_stream_is_read_and_ended_in_its_tenant(
    planted: Cast, careless: None, caplog: Any
) -> None:
    caplog.set_level("INFO", "tests.careless")

    async def scenario() -> dict[str, str]:
        responses = {
            name: await AsyncHostClient(f"{name}.localhost").get("/careless/stream-async")
            for name in planted
        }
        assert context.current_tenant() is None
        streams = {name: aiter(response.streaming_content) for name, response in responses.items()}
        seen = dict.fromkeys(planted, "")
        for _ in range(3):  # a part of each in turn
            for name, stream in streams.items():
                seen[name] += (await anext(stream)).decode()
        for stream in streams.values():
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        return seen

    for name, text in async_to_sync(scenario)().items():
        assert text == "".join(f"{note}@{name};" for note in _expected(name))
        assert f"stream ended in {name}" in caplog.text


def test_async_stream_left_halfway_ends_in_its_tenant(
    planted: Cast, careless: None, caplog: Any
) -> None:
    """Nobody asks for more. Whoever ends the generator (a server, the garbage collector, which runs
    in any request's context) finds only the middleware's, and that one enters the tenant."""
    caplog.set_level("INFO", "tests.careless")

    async def scenario() -> None:
        response = await AsyncHostClient("acme.localhost").get("/careless/stream-async")
        stream = response._iterator
        await anext(stream)
        assert len(middleware._being_read) == 1
        with context.run_in(planted["globex"]):
            await stream.aclose()
            # The loop ends the generators inside one after the other. At its own end it would end
            # all at once in any order, the view's first maybe: without a tenant then.
            for _ in range(100):
                await asyncio.sleep(0)
            assert context.require_tenant().subdomain == "globex"

    async_to_sync(scenario)()
    assert "stream ended in acme" in caplog.text
    assert not middleware._being_read


def test_middleware_waits_for_no_thread_where_the_host_is_known(
    planted: Cast, careless: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TERRACE_HOST_CACHE_SECONDS = 60
    hops: list[str] = []
    original = middleware.sync_to_async

    def counted(function: Any, **options: Any) -> Any:
        hops.append(function.__name__)
        return original(function, **options)

    monkeypatch.setattr(middleware, "sync_to_async", counted)

    async def scenario() -> None:
        client = AsyncHostClient("acme.localhost")
        for _ in range(3):
            assert (await client.get("/careless/notes-async")).json()["tenant"] == "acme"

    async_to_sync(scenario)()
    assert hops == ["_place"]


# --- A real server ---------------------------------------------------------------------------------


@pytest.fixture(params=["persistent", "pool"])
def uvicorn(request: pytest.FixtureRequest, planted: Cast, tmp_path: Path) -> Iterator[int]:
    """uvicorn on a free port, with the careless views, in both kinds of keeping connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.isolation.careless_settings",
        "TERRACE_TEST_DATABASE": settings.DATABASES["default"]["NAME"],
        "TERRACE_POOL_SIZE": "4" if request.param == "pool" else "0",
        "TERRACE_CONN_MAX_AGE": "0",
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
        yield port
    finally:
        process.terminate()
        process.wait(20)
        log.close()
    shown = (tmp_path / "uvicorn.log").read_text()
    assert "Traceback" not in shown, shown


async def _request(port: int, host: str, path: str, *, read: int = -1) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    try:
        return await (reader.read() if read < 0 else reader.readexactly(read))
    finally:
        writer.close()  # where `read` was given: the client goes away in the middle


@pytest.mark.slow
def test_uvicorn_serves_each_tenant_its_own_rows(uvicorn: int, planted: Cast) -> None:
    """Async and sync views, streams, and clients that go away, forty at a time."""

    async def one(name: str, view: str) -> None:
        answer = await _request(uvicorn, f"{name}.localhost", f"/careless/{view}")
        if view == "stream-async":
            for text in _expected(name):
                assert f"{text}@{name};".encode() in answer
        else:
            body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
            assert body["notes"] == _expected(name)

    async def leave(name: str) -> None:
        await _request(uvicorn, f"{name}.localhost", "/careless/stream-async?pause=0.2", read=40)

    async def all_of_them() -> None:
        for _ in range(4):
            views = ("notes", "notes-async", "stream-async")
            work = [one(name, view) for name in ("acme", "globex") * 6 for view in views]
            work += [leave(name) for name in planted for _ in range(2)]
            await asyncio.gather(*work)

    asyncio.run(all_of_them())
    time.sleep(0.5)
    with superuser() as unlocked:
        left = unlocked.execute(
            "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = 'terrace_app' AND state <> 'idle'"
        ).fetchall()
    assert left == []


def test_nothing_is_left_on_this_connection(planted: Cast) -> None:
    with context.run_in(planted["acme"]):
        assert Note.objects.count() == 3
    assert connection.connection is not None
    assert left_on_connection() == {}
