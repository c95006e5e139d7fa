"""What a process trusts of hosts: as long as the version that it has asked for is the newest."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis import Redis

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Tenant


@pytest.fixture
def long_trust(settings: Any) -> Iterator[None]:
    """The process asks for the version once an hour, as far as these tests go."""
    settings.TERRACE_HOST_CACHE_SECONDS = 3600.0
    yield
    resolution._process_cache.clear()


@pytest.fixture
def asked_of_redis(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the commands that go to Redis."""
    commands: list[str] = []
    execute = Redis.execute_command

    def counted(self: Redis, *arguments: Any, **options: Any) -> Any:
        commands.append(str(arguments[0]))
        return execute(self, *arguments, **options)

    monkeypatch.setattr(Redis, "execute_command", counted)
    return commands


def test_known_host_costs_nothing(
    acme: TenantRef, long_trust: None, asked_of_redis: list[str]
) -> None:
    assert resolution.tenant_for_host(acme.hostname) == acme
    asked_of_redis.clear()
    with CaptureQueriesContext(connection) as queries:
        assert resolution.tenant_for_host(acme.hostname) == acme
    assert not asked_of_redis
    assert not queries.captured_queries


def test_one_question_confirms_all_hosts(
    acme: TenantRef, globex: TenantRef, long_trust: None, asked_of_redis: list[str]
) -> None:
    for tenant in (acme, globex):
        resolution.tenant_for_host(tenant.hostname)
    resolution._process_cache._trusted_until = 0.0
    asked_of_redis.clear()
    assert resolution.tenant_for_host(acme.hostname) == acme
    assert resolution.tenant_for_host(globex.hostname) == globex
    assert asked_of_redis == ["GET"]


def test_bump_of_another_process_is_seen_when_the_trust_ends(
    acme: TenantRef, long_trust: None
) -> None:
    host = "other.example.com"
    assert resolution.tenant_for_host(host) is None
    Domain.objects.bulk_create(
        [
            Domain(
                tenant=Tenant.objects.get(id=acme.id),
                domain=host,
                is_primary=False,
                verified_at=timezone.now(),
            )
        ]
    )
    cache.set(resolution.VERSION_KEY, 1, None)  # what bump_version does, elsewhere
    assert resolution.tenant_for_host(host) is None, "trusted without asking"
    resolution._process_cache._trusted_until = 0.0
    found = resolution.tenant_for_host(host)
    assert found is not None
    assert found.id == acme.id


def test_own_bump_is_seen_at_once(acme: TenantRef, long_trust: None) -> None:
    tenant = resolution.tenant_for_host(acme.hostname)
    assert tenant is not None
    Tenant.objects.filter(id=acme.id).update(name="Renamed")
    resolution.bump_version()
    renamed = resolution.tenant_for_host(acme.hostname)
    assert renamed is not None
    assert renamed.name == "Renamed"


def test_answer_of_an_older_version_is_not_kept(acme: TenantRef, long_trust: None) -> None:
    """A lookup that was under way while the version was bumped."""
    process_cache = resolution._process_cache
    process_cache.confirm(2)
    process_cache.put(acme.hostname, None, version=1)
    assert process_cache.get(acme.hostname) == (False, None)


def test_without_redis_the_table_answers(acme: TenantRef, settings: Any) -> None:
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    assert resolution.tenant_for_host(acme.hostname) == acme
