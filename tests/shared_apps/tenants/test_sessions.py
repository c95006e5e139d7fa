"""Sessions that say whose they are, read and written by sync and async code alike."""

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.sessions import TENANT_KEY, SessionStore


@pytest.mark.parametrize("written", ["sync", "async"])
@pytest.mark.parametrize("read", ["sync", "async"])
@pytest.mark.parametrize("cached", [True, False])
def test_session_is_read_however_it_was_written(
    written: str, read: str, cached: bool, acme: TenantRef
) -> None:
    with context.run_in(acme):
        store = SessionStore()
        store["a"] = 1
        if written == "sync":
            store.save()
        else:
            async_to_sync(store.asave)()
        if not cached:
            cache.clear()
        again = SessionStore(store.session_key)
        value = again.get("a") if read == "sync" else async_to_sync(again.aget)("a")
        assert value == 1
        assert again[TENANT_KEY] == acme.uuid.hex


def test_empty_session_is_empty_though_stamped(acme: TenantRef) -> None:
    with context.run_in(acme):
        store = SessionStore()
        assert store.is_empty()
        store["a"] = 1
        assert not store.is_empty()
        store.save()
        assert store.session_key
        store.flush()
        assert store.is_empty()


def test_new_key_keeps_data_and_stamp(acme: TenantRef) -> None:
    with context.run_in(acme):
        store = SessionStore()
        store["a"] = 1
        store.save()
        old = store.session_key
        store.cycle_key()
        assert store.session_key != old
        assert SessionStore(store.session_key)["a"] == 1
        assert SessionStore(old).get("a") is None


def test_session_that_nobody_read_keeps_its_cookie(acme: TenantRef) -> None:
    with context.run_in(acme):
        store = SessionStore()
        store["a"] = 1
        store.save()
        assert not SessionStore(store.session_key).is_empty()
