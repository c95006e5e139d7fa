"""Tasks that tell where they ran. Workers of the tests are started with `--include` of this module.

What a task wants to be known it pushes to a Redis list: results alone would not show a task that
ran where it should have been refused.
"""

import contextlib
import json
import logging
import os
import signal
import time
from datetime import timedelta
from typing import Any

import redis
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction

from shared_apps.tenants import context
from shared_apps.tenants.tasks import bound_tenant_task, periodic, public_task, tenant_task

REPORTS = "reports"
logger = logging.getLogger("sample")


def report(what: str, **facts: Any) -> None:
    """Push a line that `reports` reads."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.rpush(REPORTS, json.dumps({"what": what, **place(), **facts}))


def place() -> dict[str, Any]:
    """The tenant by the context, and schema and role by PostgreSQL."""
    tenant = context.current_tenant()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_user")
        schema, role = cursor.fetchone()
    return {"tenant": tenant.subdomain if tenant else None, "schema": schema, "role": role}


@tenant_task(ignore_result=False)
def tell(what: str = "tell") -> dict[str, Any]:
    """Report, and return the place."""
    report(what)
    logger.info("telling %s", what)
    return place()


@public_task(ignore_result=False)
def tell_public(what: str = "public") -> dict[str, Any]:
    """The same in the public schema."""
    report(what)
    return place()


@shared_task(ignore_result=False)
def tell_plainly(what: str = "plain") -> dict[str, Any]:
    """A task of somebody who has not read the manual."""
    report(what)
    return place()


@tenant_task(ignore_result=False)
def read_session(key: str) -> str:
    """What a session row holds; there is one table of them in each schema."""
    return str(Session.objects.get(pk=key).session_data)


@tenant_task
def receive(value: Any, what: str = "received") -> Any:
    """Take the result of the task before."""
    report(what, value=value)
    return value


@tenant_task
def fail(what: str = "failing") -> None:
    """Report, then fail."""
    report(what)
    raise ValueError(what)


@tenant_task
def old_errback(task_id: str) -> None:
    """An errback in the style that is published as a task."""
    report("old errback", task_id=task_id)


@tenant_task
def new_errback(request: Any, error: Exception, traceback: Any) -> None:
    """An errback in the style that is called where the failure is handled."""
    report("new errback", error=str(error))


@bound_tenant_task(ignore_result=False, max_retries=2)
def succeed_at_last(self: Any) -> int:
    """Retry twice, then succeed."""
    report(f"try {self.request.retries}")
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return int(self.request.retries)


@tenant_task(autoretry_for=(Exception,), retry_kwargs={"max_retries": 5, "countdown": 0})
def retried_whatever_happens() -> None:
    """Would be retried for any error of its own."""
    report("ran")


@tenant_task
def write_then_fail(key: str) -> None:
    """Write a row, then fail."""
    _write_session(key)
    raise ValueError(key)


@tenant_task(atomic=False)
def write_then_fail_without_transaction(key: str) -> None:
    """Write a row, then fail, with nothing to roll it back."""
    _write_session(key)
    raise ValueError(key)


@tenant_task(ignore_result=False)
def call_back_after_commit() -> None:
    """Register a callback, and say so, so that the order is seen."""
    transaction.on_commit(lambda: report("committed"))
    report("body")


@tenant_task
def die_once(key: str) -> None:
    """The first run kills its worker process; the second succeeds."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        first = client.incr(f"died:{key}") == 1
    report("started")
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    report("finished")


@tenant_task
def die_always() -> None:
    """Kills every process that runs it."""
    report("started")
    os.kill(os.getpid(), signal.SIGKILL)


@tenant_task
def hold(seconds: float, what: str = "held") -> None:
    """Take a while."""
    report("holding", pid=os.getpid())
    time.sleep(seconds)
    report(what)


@tenant_task
def hold_against_all_limits() -> None:
    """Does not hear the soft time limit."""
    report("holding")
    while True:
        with contextlib.suppress(SoftTimeLimitExceeded):
            time.sleep(60)


def _write_session(key: str) -> None:
    from django.utils import timezone

    Session.objects.create(session_key=key, session_data="x", expire_date=timezone.now())


@periodic(every=timedelta(seconds=10))
@tenant_task
def tick() -> None:
    """Every ten seconds in each tenant."""
    report("tick", at=time.time())


@periodic(every=timedelta(seconds=10))
@public_task
def tick_public() -> None:
    """Every ten seconds."""
    report("tick", at=time.time())
