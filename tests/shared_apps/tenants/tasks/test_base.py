"""Tasks without a worker: called, applied, registered."""

import json
from typing import Any

import celery
import pytest
import redis
from django.conf import settings
from django.db import transaction

from config.celery import app as celery_app
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import (
    ForeignTaskBase,
    ForgedTenantHeader,
    NoTenant,
    TenantNotFound,
    TenantSuspended,
)
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.tasks import TenantTask, admission, header
from tests.shared_apps.tenants.tasks import sample_tasks as tasks
from tests.shared_apps.tenants.tasks.workers import reports

pytestmark = pytest.mark.django_db
PUBLIC = {"tenant": None, "schema": "public", "role": "terrace_app"}


def nothing() -> None:
    """The body of a task that is never registered."""


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run tasks where they are published."""
    monkeypatch.setitem(celery_app.conf, "task_always_eager", True)


def test_task_called_as_a_function_uses_the_tenant_that_is_set(
    acme: TenantRef, globex: TenantRef
) -> None:
    for tenant in (acme, globex):
        with context.run_in(tenant):
            assert tasks.tell()["schema"] == tenant.schema_name
    with pytest.raises(NoTenant):
        tasks.tell()


def test_public_task_called_inside_a_tenant_has_none(acme: TenantRef) -> None:
    with context.run_in(acme):
        assert tasks.tell_public() == PUBLIC
        assert tasks.tell_public.apply().get() == PUBLIC
        assert context.require_tenant() == acme


def test_public_task_published_in_a_tenant_waits_in_its_lane_without_it(acme: TenantRef) -> None:
    with context.run_in(acme):
        tasks.tell_public.delay()
    queue = settings.CELERY_TASK_DEFAULT_QUEUE
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        message: Any = client.lindex(f"{queue}:lane:{acme.uuid.hex}", 0)
    headers = json.loads(message)["headers"]
    assert headers[header.LANE] == acme.uuid.hex
    assert header.TENANT not in headers


def test_eager_task_enters_its_tenant(eager: None, acme: TenantRef, globex: TenantRef) -> None:
    with context.run_in(acme):
        signature = tasks.tell.s("signature")
        assert tasks.tell.delay().get()["schema"] == acme.schema_name
        assert tasks.tell.apply().get()["role"] == acme.schema_name
        assert tasks.tell_public.delay().get() == PUBLIC
    with context.run_in(globex):
        assert signature.apply_async().get()["schema"] == acme.schema_name
        assert context.require_tenant() == globex
    with pytest.raises(NoTenant):
        tasks.tell.delay()


def test_eager_retries_and_callbacks_keep_the_tenant(eager: None, acme: TenantRef) -> None:
    with context.run_in(acme):
        retried = tasks.succeed_at_last.s()
        linked = tasks.tell.s("linked")
        linked.link(tasks.receive.s(what="link"))
        failing = tasks.fail.s()
        failing.link_error(tasks.new_errback.s())
    assert retried.apply().get() == 2
    linked.apply()
    failing.apply()
    assert {line["tenant"] for line in reports()} == {"acme"}
    assert [line["what"] for line in reports()][3:] == ["linked", "link", "failing", "new errback"]


def test_eager_task_refuses_what_a_worker_refuses(acme: TenantRef) -> None:
    forged = {header.TENANT: f"{acme.uuid.hex}:forged"}
    assert isinstance(tasks.tell.apply(headers=forged).result, ForgedTenantHeader)
    with context.run_in(acme):
        signature = tasks.tell.s()
    Tenant.objects.filter(pk=acme.id).update(status="suspended")
    assert isinstance(signature.apply().result, TenantSuspended)
    Tenant.objects.filter(pk=acme.id).update(status="erased")
    assert isinstance(signature.apply().result, TenantNotFound)
    assert reports() == []


def test_task_may_run_in_other_statuses_where_it_says_so(acme: TenantRef) -> None:
    Tenant.objects.filter(pk=acme.id).update(status="read_only")
    value = header.sign(acme.uuid, "export")
    assert (
        admission.admit(
            header.read(value, "export"), task_name="export", runs_when=frozenset({"read_only"})
        ).status
        == "read_only"
    )


def test_status_is_cached_for_the_time_that_is_set(
    acme: TenantRef, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TERRACE_TENANT_CACHE_SECONDS = 2.0
    clock = [1000.0]
    monkeypatch.setattr("shared_apps.tenants.tasks.admission.monotonic", lambda: clock[0])

    def admit() -> TenantRef:
        return admission.admit(acme.uuid, task_name="x", runs_when=frozenset({"active"}))

    assert admit() == acme
    Tenant.objects.filter(pk=acme.id).update(status="suspended")
    clock[0] += 1.9
    assert admit() == acme
    clock[0] += 0.2
    with pytest.raises(TenantSuspended):
        admit()


def test_key_that_was_rotated_still_verifies(acme: TenantRef, settings: Any) -> None:
    value = header.sign(acme.uuid, "task")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-" + "0123456789abcdef" * 4
    assert header.read(value, "task") == acme.uuid
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ForgedTenantHeader):
        header.read(value, "task")


def test_foreign_base_class_is_refused_at_registration() -> None:
    with pytest.raises(ForeignTaskBase, match=r"foreign\.one has the base class Task"):
        celery_app.task(base=celery.Task, name="foreign.one", lazy=False)(nothing)
    with pytest.raises(ForeignTaskBase):
        celery_app.register_task(type("Two", (celery.Task,), {"name": "foreign.two"})())
    assert not {"foreign.one", "foreign.two"} & set(celery_app.tasks)


def test_base_class_with_a_call_of_its_own_is_refused() -> None:
    class Bypass(TenantTask):
        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self.run(*args, **kwargs)

    with pytest.raises(ForeignTaskBase, match="Bypass"):
        celery_app.task(base=Bypass, name="foreign.three", lazy=False)(nothing)


def test_task_without_a_word_is_a_tenants() -> None:
    assert isinstance(celery_app.tasks[tasks.tell_plainly.name], TenantTask)


def test_delay_on_commit_waits_for_the_commit_in_the_tenant_it_was_made_in(
    eager: None,
    acme: TenantRef,
    globex: TenantRef,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        with context.run_in(acme):
            tasks.tell.delay_on_commit("acme")
        with context.run_in(globex):
            tasks.tell.apply_async_on_commit(("globex",))
    assert reports() == []
    with context.run_in(globex):
        for callback in callbacks:
            callback()
    assert [(line["what"], line["tenant"]) for line in reports()] == [
        ("acme", "acme"),
        ("globex", "globex"),
    ]


def test_only_json_is_accepted() -> None:
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert celery_app.conf.accept_content == ["json"]
    assert celery_app.conf.task_acks_late
    assert celery_app.conf.worker_prefetch_multiplier == 1
    visibility = celery_app.conf.broker_transport_options["visibility_timeout"]
    assert celery_app.conf.task_time_limit < visibility
