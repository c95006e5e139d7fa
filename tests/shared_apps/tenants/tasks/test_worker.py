"""What a real worker does with tenants' tasks."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from celery import chain, chord, group, signature
from django.db import connection, transaction

from config.celery import app as celery_app
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import (
    ForgedTenantHeader,
    NoTenant,
    TenantHeaderMissing,
    TenantNotActive,
    TenantNotFound,
    TenantSuspended,
)
from shared_apps.tenants.tasks import header
from tests.shared_apps.tenants.tasks import sample_tasks as tasks
from tests.shared_apps.tenants.tasks.workers import (
    Worker,
    reports,
    running_worker,
    wait_for_reports,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def publish_raw(name: str, value: str | None) -> Any:
    """Publish as an attacker with access to the broker would, past every check of ours."""
    headers = {header.TENANT: value} if value is not None else {}
    return super(type(celery_app), celery_app).send_task(name, headers=headers, ignore_result=False)


def of(tenant: TenantRef, line: dict[str, object]) -> bool:
    return (line["tenant"], line["schema"], line["role"]) == (
        tenant.subdomain,
        tenant.schema_name,
        tenant.schema_name,
    )


def test_task_runs_in_the_tenant_it_was_published_in(
    worker: Worker, acme: TenantRef, globex: TenantRef
) -> None:
    with context.run_in(acme):
        first = tasks.tell.delay()
    with context.run_in(globex):
        second = tasks.tell_plainly.apply_async()
    assert of(acme, first.get(timeout=20))
    assert of(globex, second.get(timeout=20))


def test_task_logs_carry_the_tenant(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        tasks.tell.delay("of the log").get(timeout=20)
    worker.wait_for_log("tenant=acme request=- telling of the log")
    worker.wait_for_log("INFO celery.app.trace tenant=acme request=- Task")


def test_public_task_published_in_a_tenant_runs_in_public(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        answer = tasks.tell_public.delay().get(timeout=20)
    assert answer == {"tenant": None, "schema": "public", "role": "terrace_app"}


def test_task_without_a_tenant_is_refused_where_it_is_published(acme: TenantRef) -> None:
    with pytest.raises(NoTenant, match="no tenant is set"):
        tasks.tell.delay()
    with pytest.raises(NoTenant):
        celery_app.send_task(tasks.tell.name)
    with pytest.raises(NoTenant):
        tasks.tell.apply()


def test_message_without_a_header_is_refused(worker: Worker) -> None:
    result = publish_raw(tasks.tell.name, None)
    with pytest.raises(TenantHeaderMissing, match="names no tenant"):
        result.get(timeout=20)
    assert reports() == []


@pytest.mark.parametrize(
    "forge",
    [
        lambda acme: f"{acme.uuid.hex}:{'A' * 43}",
        lambda acme: acme.uuid.hex,
        lambda acme: header.sign(acme.uuid, tasks.fail.name),
        lambda acme: f"{uuid.uuid4().hex}:{header.sign(acme.uuid, tasks.tell.name)[33:]}",
        lambda acme: "nonsense",
    ],
    ids=["made up", "unsigned", "of another task", "of another tenant", "nonsense"],
)
def test_message_with_a_forged_header_is_refused(
    worker: Worker, acme: TenantRef, forge: Callable[[TenantRef], str]
) -> None:
    result = publish_raw(tasks.tell.name, forge(acme))
    with pytest.raises(ForgedTenantHeader):
        result.get(timeout=20)
    assert reports() == []


def test_header_signed_inside_a_tenant_is_the_same_as_outside(
    acme: TenantRef, globex: TenantRef
) -> None:
    outside = header.sign(acme.uuid, "task")
    with context.run_in(globex):
        assert header.sign(acme.uuid, "task") == outside
        assert header.read(outside, "task") == acme.uuid


def test_task_of_a_deleted_tenant_is_refused(worker: Worker) -> None:
    result = publish_raw(tasks.tell.name, header.sign(uuid.uuid4(), tasks.tell.name))
    with pytest.raises(TenantNotFound):
        result.get(timeout=20)
    assert reports() == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("suspended", TenantSuspended),
        ("erased", TenantNotFound),
        ("provisioning", TenantNotActive),
        ("archived", TenantNotActive),
    ],
)
def test_task_of_a_tenant_that_is_not_active_is_refused(
    worker: Worker,
    committed_tenant: Callable[[str], uuid.UUID],
    status: str,
    error: type[Exception],
) -> None:
    tenant = committed_tenant(status)
    result = publish_raw(tasks.tell.name, header.sign(tenant, tasks.tell.name))
    with pytest.raises(error) as raised:
        result.get(timeout=20)
    assert type(raised.value).__name__ == error.__name__
    assert reports() == []


def test_refused_task_is_not_retried(worker: Worker) -> None:
    name = tasks.retried_whatever_happens.name
    result = publish_raw(name, header.sign(uuid.uuid4(), name))
    with pytest.raises(TenantNotFound):
        result.get(timeout=20)
    time.sleep(0.5)
    assert worker.log.count(f"{name}[{result.id}] received") == 1
    assert worker.log.count(f"{name}[{result.id}] raised unexpected") == 1
    assert reports() == []


def test_retries_keep_the_tenant(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        result = tasks.succeed_at_last.delay()
    assert result.get(timeout=20) == 2
    lines = reports()
    assert [line["what"] for line in lines] == ["try 0", "try 1", "try 2"]
    assert all(of(acme, line) for line in lines)


def test_signature_carries_the_tenant_it_was_made_in(
    worker: Worker, acme: TenantRef, globex: TenantRef
) -> None:
    with context.run_in(acme):
        made = [
            tasks.tell.s("s"),
            tasks.tell.si("si"),
            tasks.tell.signature(("signature",)),
            signature(tasks.tell.name, args=("by name",)),
        ]
    for sig in made[:2]:
        sig.delay()
    with context.run_in(globex):
        for sig in made[2:]:
            sig.clone().set(headers={"x-other": "1"}).apply_async()
    lines = wait_for_reports(4)
    assert sorted(line["what"] for line in lines) == ["by name", "s", "si", "signature"]
    assert all(of(acme, line) for line in lines)


def test_chain_and_chord_carry_the_tenant(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        headers = [tasks.receive.s(what=f"header {n}") for n in (1, 2)]
        canvas = chain(
            tasks.tell.s("first"),
            chord(headers, tasks.receive.s(what="body")),
            tasks.receive.s(what="last"),
        )
    canvas.apply_async()
    lines = wait_for_reports(5)
    assert {line["what"] for line in lines} == {"first", "header 1", "header 2", "body", "last"}
    assert all(of(acme, line) for line in lines)


def test_canvas_of_two_tenants_keeps_each_in_its_own(
    worker: Worker, acme: TenantRef, globex: TenantRef
) -> None:
    with context.run_in(acme):
        first = tasks.tell.s("acme")
    with context.run_in(globex):
        second = tasks.tell.si("globex")
    group(first, second).apply_async()
    chain(first, second, tasks.tell_public.si("public")).apply_async()
    lines = wait_for_reports(5)
    for line in lines:
        assert (line["tenant"] or "public") == line["what"]


def test_links_and_errbacks_of_both_styles_carry_the_tenant(
    worker: Worker, acme: TenantRef, globex: TenantRef
) -> None:
    with context.run_in(acme):
        tasks.tell.apply_async(link=tasks.receive.s(what="link"))
        tasks.fail.apply_async(link_error=[tasks.old_errback.s(), tasks.new_errback.s()])
    with context.run_in(globex):
        errback = tasks.new_errback.s()
    with context.run_in(acme):
        tasks.fail.apply_async(link_error=[errback])
    lines = wait_for_reports(7)
    found = sorted((line["what"], line["tenant"], line["schema"]) for line in lines)
    assert found == sorted(
        [
            ("tell", "acme", acme.schema_name),
            ("link", "acme", acme.schema_name),
            ("failing", "acme", acme.schema_name),
            ("failing", "acme", acme.schema_name),
            ("old errback", "acme", acme.schema_name),
            ("new errback", "acme", acme.schema_name),
            ("new errback", "globex", globex.schema_name),
        ]
    )


def test_errback_of_a_task_that_was_killed_for_its_time_carries_the_tenant(
    worker: Worker, acme: TenantRef
) -> None:
    with context.run_in(acme):
        errback = tasks.new_errback.s()
        tasks.hold_against_all_limits.apply_async(time_limit=2, link_error=errback)
    lines = wait_for_reports(2)
    # The parent process calls the errback, since the child is dead. (Celery 5.7 calls it twice.)
    assert {line["what"] for line in lines} == {"holding", "new errback"}
    assert all(of(acme, line) for line in lines)


def test_callback_made_without_a_tenant_runs_in_the_one_of_its_task(
    worker: Worker, acme: TenantRef
) -> None:
    callback = tasks.receive.s(what="link")
    with context.run_in(acme):
        tasks.tell.apply_async(link=callback)
    assert of(acme, wait_for_reports(2)[1])


def test_map_and_chunks_run_in_the_tenant(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        tasks.tell.map(["a", "b"]).apply_async()
        tasks.tell.chunks([("c",), ("d",)], 1).apply_async()
    lines = wait_for_reports(4)
    assert sorted(line["what"] for line in lines) == ["a", "b", "c", "d"]
    assert all(of(acme, line) for line in lines)


def test_revoked_task_does_not_run(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        result = tasks.tell.apply_async(("revoked",), countdown=2)
        worker.wait_for_log(result.id)
        result.revoke()
        tasks.tell.delay("other")
    worker.wait_for_log(f"Discarding revoked task: {tasks.tell.name}[{result.id}]")
    assert [line["what"] for line in reports()] == ["other"]


def test_body_runs_in_a_transaction_and_callbacks_after_it(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        tasks.call_back_after_commit.delay().get(timeout=20)
    lines = wait_for_reports(2)
    assert [line["what"] for line in lines] == ["body", "committed"]
    assert all(of(acme, line) for line in lines)


def test_failed_task_leaves_nothing_unless_it_asked_to(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        rolled_back = tasks.write_then_fail.apply_async(("rolled-back",), ignore_result=False)
        kept = tasks.write_then_fail_without_transaction.apply_async(("kept",), ignore_result=False)
        for result in (rolled_back, kept):
            with pytest.raises(ValueError, match=r"rolled-back|kept"):
                result.get(timeout=20)
        with connection.cursor() as cursor:
            cursor.execute("SELECT session_key FROM django_session")
            keys = {key for (key,) in cursor.fetchall()}
    assert "kept" in keys
    assert "rolled-back" not in keys


@pytest.mark.django_db(transaction=False)
def test_delay_on_commit_carries_the_tenant_it_was_made_in(
    worker: Worker,
    acme: TenantRef,
    globex: TenantRef,
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    with (
        context.run_in(globex),
        django_capture_on_commit_callbacks(execute=True),  # type: ignore[attr-defined]
        transaction.atomic(),
        context.run_in(acme),
    ):
        tasks.tell.delay_on_commit("on commit")
    assert of(acme, wait_for_reports(1)[0])


def test_task_of_a_killed_process_is_delivered_again_in_its_tenant(
    worker: Worker, acme: TenantRef
) -> None:
    with context.run_in(acme):
        tasks.die_once.delay("process")
    lines = wait_for_reports(3)
    assert [line["what"] for line in lines] == ["started", "started", "finished"]
    assert all(of(acme, line) for line in lines)


@pytest.mark.chaos
def test_task_that_kills_every_process_is_given_up(worker: Worker, acme: TenantRef) -> None:
    with context.run_in(acme):
        tasks.die_always.delay()
    worker.wait_for_log("TaskLosesWorkers", seconds=30)
    time.sleep(1)
    assert len(reports()) == 3


@pytest.mark.chaos
def test_task_of_a_killed_worker_is_delivered_to_another(
    django_db_setup: None, acme: TenantRef, tmp_path_factory: pytest.TempPathFactory
) -> None:
    soon: dict[str, Any] = {
        "TERRACE_TASK_VISIBILITY_SECONDS": "3",
        "TERRACE_TASK_RESTORE_SECONDS": "1",
    }
    directory = tmp_path_factory.mktemp("killed")
    queue = ("--queues", "killed")  # the other tests' worker is none of this
    with running_worker(directory, *queue, **soon) as first:
        with context.run_in(acme):
            for number in range(4):
                arguments = (60 if number < 2 else 0, f"held {number}")
                tasks.hold.apply_async(arguments, queue="killed")
        wait_for_reports(2)
        first.kill()
    assert [line["what"] for line in reports()] == ["holding", "holding"]
    with running_worker(directory, *queue, concurrency=4, **soon) as second:
        wait_until(
            lambda: [line["what"] for line in reports()].count("holding") == 6,
            seconds=30,
            failure=lambda: f"{reports()}\n{second.log}",
        )
        assert {line["what"] for line in reports()} == {"holding", "held 2", "held 3"}
        second.kill()
    assert all(of(acme, line) for line in reports())
