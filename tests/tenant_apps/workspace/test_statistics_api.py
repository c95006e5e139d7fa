"""/api/v1/stats/: the dashboard's figures for programs; asynchronous, and each tenant its own."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.workspace import statistics
from tests.conftest import AsyncHostClient
from tests.tenant_apps.conftest import LoggedIn, People
from tests.tenant_apps.workspace.test_dashboard import keep_day

PATH = "/api/v1/stats/"


def test_figures_of_days_are_told(acme: TenantRef, acme_people: People, as_role: LoggedIn) -> None:
    with context.run_in(acme):
        keep_day(1, views=12, pieces=3)
        today = statistics.today_in(statistics.workspace_zone())
    answer = as_role("owner").get(PATH, {"from": str(today - timedelta(days=2))})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["last"], told["time_zone"], len(told["days"])) == (str(today), "UTC", 3)
    assert told["days"][0]["views"] is None
    assert (told["days"][1]["views"], told["days"][1]["pieces"]) == (12, 3)
    assert told["days"][2]["views"] == 0
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
        day = answer.json()["days"][-2]
        assert all(day[name] is not None for name in seen)
        assert all(day[name] is None for name in hidden)


@pytest.mark.parametrize(
    "query",
    [{"from": "yesterday"}, {"to": "2026-13-01"}, {"from": "2026-02-02", "to": "2026-02-01"},
     {"from": "2020-01-01", "to": "2026-01-01"}, {"fields": "nothing"}],
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
        return answer.json()["days"][-2]["views"]

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(ask(client) for client, _ in clients * 5))

    told = async_to_sync(all_at_once)()
    assert told == [views for _, views in clients * 5]
