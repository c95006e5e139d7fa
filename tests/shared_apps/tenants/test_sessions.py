"""Sessions that say whose they are, read and written by sync and async code alike."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.utils import timezone

from shared_apps.tenants import context, session_tasks
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.sessions import TENANT_KEY, SessionStore, delete_expired
from shared_apps.tenants.tasks.periodic import _registered


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


def make_sessions() -> str:
    """One that is over and one that isn't, here, and no others. Gives the key of the latter."""
    Session.objects.all().delete()
    keys = []
    for lasts in (timedelta(seconds=-1), timedelta(hours=1)):
        store = SessionStore()
        store["a"] = 1
        store.save()
        Session.objects.filter(pk=store.session_key).update(expire_date=timezone.now() + lasts)
        keys.append(store.session_key)
    return str(keys[1])


def test_expired_sessions_are_deleted_here_and_nowhere_else(
    acme: TenantRef, globex: TenantRef
) -> None:
    kept = {}
    for place in (acme, globex, None):
        with context.run_in(place) if place else context.run_in_public():
            kept[place] = make_sessions()
    with context.run_in(acme):
        assert session_tasks.delete_expired_sessions() == 1
        assert [one.pk for one in Session.objects.all()] == [kept[acme]]
        assert delete_expired() == 0
    with context.run_in(globex):
        assert Session.objects.count() == 2
        assert session_tasks.delete_expired_public_sessions() == 1
        assert Session.objects.count() == 2
    with context.run_in_public():
        assert [one.pk for one in Session.objects.all()] == [kept[None]]


def test_expired_sessions_are_looked_for_every_day() -> None:
    every = {entry.task.name.rpartition(".")[2]: entry.every for entry in _registered}
    assert every["delete_expired_sessions"] == timedelta(days=1)
    assert every["delete_expired_public_sessions"] == timedelta(days=1)
