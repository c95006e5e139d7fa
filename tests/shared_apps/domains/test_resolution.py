"""From a hostname to its tenant: two caches before the table."""

from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from shared_apps.domains import resolution
from shared_apps.domains.models import Domain
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

HOST = "acme.localhost"


@pytest.fixture
def lasting(settings: Any) -> None:
    """The process's cache as in production."""
    settings.TERRACE_HOST_CACHE_SECONDS = 60.0


def _queries(host: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        resolution.tenant_for_host(host)
    return len(captured)


def test_steady_state_costs_no_query(acme: TenantRef, lasting: None) -> None:
    assert [_queries(HOST) for _ in range(3)] == [1, 0, 0]
    resolution._process_cache.clear()
    assert _queries(HOST) == 0  # Redis knows
    assert resolution.known_in_process(HOST) == (True, acme)


def test_unknown_host_is_remembered_too(db: None, lasting: None) -> None:
    assert resolution.tenant_for_host("nobody.localhost") is None
    assert _queries("nobody.localhost") == 0
    resolution._process_cache.clear()
    assert _queries("nobody.localhost") == 0


def test_answer_is_the_same_inside_another_tenant(
    acme: TenantRef, globex: TenantRef, lasting: None
) -> None:
    with context.run_in(globex):
        assert resolution.tenant_for_host(HOST) == acme
        assert context.require_tenant() == globex
    resolution._process_cache.clear()
    assert _queries(HOST) == 0  # it was written to the platform's part of the cache


def test_write_to_a_domain_is_seen_after_the_commit(
    acme: TenantRef, lasting: None, django_capture_on_commit_callbacks: Any
) -> None:
    assert resolution.tenant_for_host(HOST) == acme
    with django_capture_on_commit_callbacks(execute=True):
        domain = Domain.objects.get(domain=HOST)
        domain.verified_at = None
        domain.save(update_fields=["verified_at"])
        assert resolution.tenant_for_host(HOST) == acme
    assert resolution.tenant_for_host(HOST) is None


def test_rolled_back_write_changes_nothing(acme: TenantRef, lasting: None) -> None:
    resolution.tenant_for_host(HOST)
    with transaction.atomic():
        Domain.objects.get(domain=HOST).delete()
        transaction.set_rollback(True)
    assert _queries(HOST) == 0


def test_lost_version_never_goes_back_to_an_old_one(acme: TenantRef, lasting: None) -> None:
    """Redis may evict the version and keep entries that were written under an earlier one."""
    resolution.tenant_for_host(HOST)
    for version in (0, None):
        cache.set(resolution._shared_key(HOST, version), {}, 300)
    cache.delete(resolution.VERSION_KEY)
    resolution._process_cache.clear()
    assert resolution.tenant_for_host(HOST) == acme


def test_redis_that_is_gone_costs_a_query_and_no_more(
    acme: TenantRef, lasting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.cache import caches

    settings_of_dead = {"LOCATION": "redis://127.0.0.1:1/0"}
    from django.conf import settings

    monkeypatch.setitem(
        settings.CACHES, "default", {**settings.CACHES["default"], **settings_of_dead}
    )
    alive = caches["default"]
    del caches["default"]
    caches.settings = caches.configure_settings(None)
    try:
        assert resolution.tenant_for_host(HOST) == acme
        assert _queries(HOST) == 0
    finally:
        monkeypatch.undo()
        caches.settings = caches.configure_settings(None)
        caches["default"] = alive


def test_process_cache_is_bounded(db: None, lasting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolution, "MAX_ENTRIES", 10)
    resolution._process_cache.confirm(1)
    for number in range(25):
        resolution._process_cache.put(f"{number}.example", None, version=1)
    assert len(resolution._process_cache._entries) <= 10


def test_entry_is_forgotten_in_time(acme: TenantRef, settings: Any) -> None:
    settings.TERRACE_HOST_CACHE_SECONDS = 0.0
    resolution.tenant_for_host(HOST)
    assert resolution.known_in_process(HOST) == (False, None)
