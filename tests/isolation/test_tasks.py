"""Leak list 11 and 15: what tasks could carry from one tenant to another.

Planted first: a session row of the same key in the public schema, acme and globex, each with its
schema's name in it. A task that ran in the wrong place would bring the wrong name.
"""

import os
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import celery
import psycopg
import pytest
from celery import chain, chord
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from psycopg import sql

from config.celery import app as celery_app
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import (
    ForeignTaskBase,
    ForgedTenantHeader,
    NoTenant,
    TenancyError,
    TenantHeaderMissing,
    TenantNotFound,
)
from shared_apps.tenants.tasks import admission, header
from tests.shared_apps.tenants.tasks import sample_tasks as tasks
from tests.shared_apps.tenants.tasks.workers import Worker, running_worker

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
KEY = "planted-for-tasks"


@pytest.fixture(autouse=True)
def _fresh_tenants() -> None:
    admission.forget_tenants()


@pytest.fixture(scope="module")
def worker(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A real worker, which would show what it should not."""
    with running_worker(Path(tmp_path_factory.mktemp("worker")), concurrency=4) as running:
        yield running


@pytest.fixture(autouse=True)
def _planted(acme: TenantRef, globex: TenantRef) -> Iterator[None]:
    places = ["public", acme.schema_name, globex.schema_name]
    with psycopg.connect(
        os.environ["DATABASE_ADMIN_URL"],
        dbname=settings.DATABASES["default"]["NAME"],
        autocommit=True,
    ) as connection:
        for place in places:
            connection.execute(
                sql.SQL("INSERT INTO {}.django_session VALUES (%s, %s, now())").format(
                    sql.Identifier(place)
                ),
                [KEY, place],
            )
        yield
        for place in places:
            connection.execute(
                sql.SQL("DELETE FROM {}.django_session WHERE session_key = %s").format(
                    sql.Identifier(place)
                ),
                [KEY],
            )


def attack(name: str, value: str | None) -> Any:
    """Put a message into the broker past our own publishing."""
    headers = {header.TENANT: value} if value is not None else {}
    return celery.Celery.send_task(
        celery_app, name, args=(KEY,), headers=headers, ignore_result=False
    )


def test_planted_rows_are_there_to_be_seen(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        assert tasks.read_session.delay(KEY).get(timeout=20) == acme.schema_name
    # A session can be read in public too: a task without a tenant would not fail by itself.
    with context.run_in_public():
        assert Session.objects.get(pk=KEY).session_data == "public"


@pytest.mark.parametrize(
    "attempt", ["missing", "empty", "forged", "moved", "other task", "deleted"]
)
def test_message_without_a_tenant_of_its_own_reads_nothing(
    worker: Worker, acme: TenantRef, globex: TenantRef, attempt: str
) -> None:
    name = tasks.read_session.name
    true = header.sign(acme.uuid, name)
    value, error = {
        "missing": (None, TenantHeaderMissing),
        "empty": ("", TenantHeaderMissing),
        "forged": (f"{globex.uuid.hex}:{'A' * 43}", ForgedTenantHeader),
        "moved": (f"{globex.uuid.hex}:{true.partition(':')[2]}", ForgedTenantHeader),
        "other task": (header.sign(globex.uuid, tasks.tell.name), ForgedTenantHeader),
        "deleted": (header.sign(uuid.uuid4(), name), TenantNotFound),
    }[attempt]
    result = attack(name, value)
    with pytest.raises(TenancyError) as raised:
        result.get(timeout=20)
    assert type(raised.value).__name__ == error.__name__


def test_tenants_do_not_mix_in_workers_that_serve_both(
    worker: Worker, acme: TenantRef, globex: TenantRef
) -> None:
    results = []
    for number in range(60):
        tenant = (acme, globex)[number % 2]
        with context.run_in(tenant):
            results.append((tenant, tasks.read_session.delay(KEY)))
    for tenant, result in results:
        assert result.get(timeout=30) == tenant.schema_name


def test_canvases_of_two_tenants_do_not_mix(
    worker: Worker, acme: TenantRef, globex: TenantRef
) -> None:
    made = []
    for tenant in (acme, globex):
        with context.run_in(tenant):
            made.append(
                (
                    tenant,
                    chain(
                        tasks.read_session.si(KEY),
                        chord(
                            [tasks.read_session.si(KEY), tasks.read_session.si(KEY)],
                            tasks.read_session.si(KEY),
                        ),
                        tasks.read_session.si(KEY),
                    ),
                )
            )
    (_, first), (_, second) = made
    with context.run_in(globex):
        result_of_acme = first.apply_async()
    result_of_globex = second.apply_async()
    assert result_of_acme.get(timeout=30) == acme.schema_name
    assert result_of_globex.get(timeout=30) == globex.schema_name


def test_threads_that_publish_at_once_do_not_mix(
    worker: Worker, acme: TenantRef, globex: TenantRef
) -> None:
    barrier = threading.Barrier(8)

    def publish(tenant: TenantRef) -> list[str]:
        with context.run_in(tenant):
            barrier.wait()
            return [tasks.read_session.delay(KEY).id for _ in range(5)]

    tenants = [acme, globex] * 4
    with ThreadPoolExecutor(8) as pool:
        published = list(pool.map(publish, tenants))
    for tenant, ids in zip(tenants, published, strict=True):
        for task_id in ids:
            assert celery_app.AsyncResult(task_id).get(timeout=30) == tenant.schema_name


def test_on_commit_publishes_for_the_tenant_it_was_registered_in(
    worker: Worker,
    acme: TenantRef,
    globex: TenantRef,
    django_capture_on_commit_callbacks: Any,
) -> None:
    results: list[Any] = []
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        with context.run_in(acme):
            transaction.on_commit(lambda: results.append(tasks.read_session.delay(KEY)))
        with context.run_in(globex):
            transaction.on_commit(lambda: results.append(tasks.read_session.delay(KEY)))
    assert [result.get(timeout=20) for result in results] == [
        acme.schema_name,
        globex.schema_name,
    ]


def test_public_task_called_eagerly_in_a_tenant_sees_the_public_schema(acme: TenantRef) -> None:
    with context.run_in(acme):
        assert tasks.tell_public.apply().get()["schema"] == "public"
        assert tasks.read_session(KEY) == acme.schema_name


def test_direct_call_has_no_tenant_but_the_one_that_is_set(
    acme: TenantRef, globex: TenantRef
) -> None:
    with context.run_in(acme):
        assert tasks.read_session(KEY) == acme.schema_name
        with context.run_in(globex):
            assert tasks.read_session(KEY) == globex.schema_name
    with pytest.raises(NoTenant):
        tasks.read_session(KEY)


def test_foreign_base_class_never_gets_to_read(acme: TenantRef) -> None:
    def leak(key: str) -> str:
        return str(Session.objects.get(pk=key).session_data)

    # What it would do, were it let in: run without a tenant, and read the public schema.
    assert leak(KEY) == "public"
    with pytest.raises(ForeignTaskBase):
        celery_app.task(base=celery.Task, name="foreign.leak", lazy=False)(leak)
    assert "foreign.leak" not in celery_app.tasks
