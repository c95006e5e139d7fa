"""The two tenants' tasks of fairness.py. Workers get `--include` of this module."""

import time

import redis
from django.conf import settings
from django.db import connection

from shared_apps.tenants.tasks import tenant_task

WAITS = "fairness:waits"
_redis: list[redis.Redis] = []


@tenant_task
def flood(seconds: float) -> None:
    """A task of the tenant that floods: a query, and waiting for something outside."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
    time.sleep(seconds)


@tenant_task
def quiet(published: float) -> None:
    """A task of the quiet tenant: note how long it waited, in seconds."""
    waited = time.time() - published
    if not _redis:
        _redis.append(redis.Redis.from_url(settings.REDIS_URL))
    _redis[0].rpush(WAITS, waited)
