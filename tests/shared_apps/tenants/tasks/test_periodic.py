"""The dispatcher: every slot once, whatever happens to beat."""

import itertools
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import transaction

from config.celery import app as celery_app
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import PeriodicRun, Tenant
from shared_apps.tenants.tasks import header, periodic
from shared_apps.tenants.tasks.periodic import dispatch_due, slots_due
from tests.shared_apps.tenants.tasks import sample_tasks as tasks
from tests.shared_apps.tenants.tasks.workers import (
    reports,
    running_beat,
    running_worker,
    wait_until,
)

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def queued() -> Iterator[Callable[[], dict[str, int]]]:
    """`queued()`: how many messages wait, by lane."""
    queue = settings.CELERY_TASK_DEFAULT_QUEUE
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:

        def count() -> dict[str, int]:
            lanes: Any = client.smembers(f"{queue}:lanes")
            return {lane: int(client.llen(f"{queue}:lane:{lane}")) for lane in lanes}

        yield count


def test_every_holder_has_one_slot_in_each_interval_however_it_is_cut() -> None:
    for number in range(50):
        key = uuid.UUID(int=number).bytes
        whole = slots_due(after=START, until=START + 24 * HOUR, every=HOUR, key=key, name="x")
        assert len(whole) == 24
        cut: list[int] = []
        moment = START
        for step in (1, 4999, 60_000, 7_777_777, 24 * 3_600_000 - 7_842_777):
            following = moment + timedelta(milliseconds=step)
            cut += slots_due(after=moment, until=following, every=HOUR, key=key, name="x")
            moment = following
        assert cut == list(whole)


def test_slots_of_many_tenants_are_spread_over_the_interval() -> None:
    minutes = Counter(
        slots_due(after=START, until=START + HOUR, every=HOUR, key=uuid.uuid4().bytes, name="x")[0]
        // 60_000
        for _ in range(3000)
    )
    assert len(minutes) >= 60
    assert max(minutes.values()) < 100  # 50 on average


def test_tasks_of_one_tenant_do_not_all_come_at_once() -> None:
    key = uuid.uuid4().bytes
    slots = {
        slots_due(after=START, until=START + HOUR, every=HOUR, key=key, name=f"task{n}")[0]
        for n in range(20)
    }
    assert len(slots) == 20


def test_interval_below_ten_seconds_is_refused() -> None:
    with pytest.raises(ValueError, match="0:00:10 is the shortest"):
        periodic(every=timedelta(seconds=9))


@pytest.mark.django_db
class TestDispatch:
    """dispatch_due against the real table and the real broker."""

    def test_first_sight_of_a_task_publishes_nothing(self, queued: Any) -> None:
        assert dispatch_due(tasks.tick, every=HOUR, now=START) == 0
        assert PeriodicRun.objects.get(task=tasks.tick.name).dispatched_until == START
        assert queued() == {}

    def test_each_active_tenant_is_published_once_an_interval(
        self, acme: TenantRef, globex: TenantRef, queued: Any
    ) -> None:
        Tenant.objects.create(name="New", subdomain="new", status="provisioning")
        Tenant.objects.create(name="Gone", subdomain="gone", status="suspended")
        dispatch_due(tasks.tick, every=HOUR, now=START)
        published = [
            dispatch_due(tasks.tick, every=HOUR, now=START + number * MINUTE)
            for number in range(1, 121)
        ]
        assert sum(published) == 4
        assert queued() == {acme.uuid.hex: 2, globex.uuid.hex: 2}

    def test_public_task_is_published_once_an_interval(self, queued: Any) -> None:
        dispatch_due(tasks.tick_public, every=HOUR, now=START)
        for number in range(1, 181):
            dispatch_due(tasks.tick_public, every=HOUR, now=START + number * MINUTE)
        assert queued() == {"public": 3}

    def test_long_pause_is_caught_up_for_one_interval(
        self, acme: TenantRef, globex: TenantRef, queued: Any
    ) -> None:
        dispatch_due(tasks.tick, every=HOUR, now=START)
        assert dispatch_due(tasks.tick, every=HOUR, now=START + 100 * HOUR) == 2
        assert queued() == {acme.uuid.hex: 1, globex.uuid.hex: 1}

    def test_dispatcher_that_dies_before_it_commits_doubles_nothing(
        self, acme: TenantRef, globex: TenantRef, queued: Any
    ) -> None:
        dispatch_due(tasks.tick, every=HOUR, now=START)
        with transaction.atomic():
            assert dispatch_due(tasks.tick, every=HOUR, now=START + HOUR) == 2
            transaction.set_rollback(True)
        assert PeriodicRun.objects.get(task=tasks.tick.name).dispatched_until == START
        dispatch_due(tasks.tick, every=HOUR, now=START + HOUR)
        assert queued() == {acme.uuid.hex: 1, globex.uuid.hex: 1}

    def test_second_dispatcher_leaves_the_row_to_the_first(self, queued: Any) -> None:
        name = settings.DATABASES["default"]["NAME"]
        url = os.environ["DATABASE_ADMIN_URL"]
        with (
            psycopg.connect(url, dbname=name, autocommit=True) as first,
            psycopg.connect(url, dbname=name) as second,
        ):
            first.execute(
                "INSERT INTO tenants_periodicrun (task, dispatched_until) VALUES (%s, %s)",
                [tasks.tick_public.name, START],
            )
            try:
                second.execute("SELECT 1 FROM tenants_periodicrun FOR UPDATE")
                assert dispatch_due(tasks.tick_public, every=HOUR, now=START + HOUR) == 0
                second.rollback()
                with transaction.atomic():  # rolled back, or the row stays locked
                    assert dispatch_due(tasks.tick_public, every=HOUR, now=START + HOUR) == 1
                    transaction.set_rollback(True)
            finally:
                first.execute("DELETE FROM tenants_periodicrun")
        assert queued() == {"public": 1}

    def test_published_message_names_its_tenant_and_expires(self, acme: TenantRef) -> None:
        dispatch_due(tasks.tick, every=HOUR, now=START)
        dispatch_due(tasks.tick, every=HOUR, now=START + HOUR)
        with celery_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            for _ in range(2):
                message = channel.basic_get(settings.CELERY_TASK_DEFAULT_QUEUE, no_ack=True)
                header.read(message.headers[header.TENANT], tasks.tick.name)
                assert message.headers["expires"]
                assert header.ONCE not in message.headers


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.django_db
def test_two_beats_one_of_them_killed_run_each_slot_once(
    acme: TenantRef, globex: TenantRef, tmp_path: Path
) -> None:
    with (
        running_worker(tmp_path),
        running_beat(tmp_path) as first,
        running_beat(tmp_path),
    ):
        wait_until(lambda: len(reports()) >= 3, seconds=40)
        first.kill()
        wait_until(lambda: len(reports()) >= 7, seconds=60)
        lines = reports()
    for tenant in ("acme", "globex", None):
        times = [line["at"] for line in lines if line["tenant"] == tenant]
        # Dispatched within 5 s of its slot: two of a slot would be closer together.
        assert len(times) >= 2
        assert all(later - earlier > 4 for earlier, later in itertools.pairwise(times))
    with psycopg.connect(
        os.environ["DATABASE_ADMIN_URL"],
        dbname=settings.DATABASES["default"]["NAME"],
        autocommit=True,
    ) as connection:
        connection.execute("DELETE FROM tenants_periodicrun")
