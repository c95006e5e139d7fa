"""The operators' way past a maintenance page: for one tenant, for a time."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.test import Client

from shared_apps.domains import bypass
from shared_apps.tenants import lifecycle
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import Tenant

WORDS = {"reason": "moving tables", "by": "op@example.com"}


@pytest.fixture
def closed(acme: TenantRef, globex: TenantRef) -> None:
    """Both tenants are in maintenance."""
    for tenant in (acme, globex):
        lifecycle.begin_maintenance(tenant=Tenant.objects.get(pk=tenant.id), **WORDS)


def _path(tenant: TenantRef, **options: Any) -> str:
    link = lifecycle.make_bypass_link(tenant=tenant, by="op@example.com", **options)
    parts = urlsplit(link)
    assert parts.hostname == tenant.hostname
    return parts.path


def test_link_lets_its_reader_see_the_pages(
    acme: TenantRef, acme_client: Client, closed: None
) -> None:
    assert acme_client.get("/").status_code == 503
    answer = acme_client.get(_path(acme))
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert acme_client.get("/").status_code == 200
    assert Client(headers={"host": acme.hostname}).get("/").status_code == 503


def test_cookie_is_of_one_host_and_not_for_scripts(
    acme: TenantRef, acme_client: Client, closed: None
) -> None:
    cookie = acme_client.get(_path(acme)).cookies[bypass.settings.TERRACE_BYPASS_COOKIE_NAME]
    assert cookie["domain"] == ""
    assert cookie["httponly"]
    assert cookie["path"] == "/"
    assert 3500 < cookie["max-age"] <= 3600


def test_link_and_cookie_are_nothing_on_another_tenant(
    acme: TenantRef, acme_client: Client, globex_client: Client, closed: None
) -> None:
    path = _path(acme)
    assert globex_client.get(path).status_code == 503
    name = bypass.settings.TERRACE_BYPASS_COOKIE_NAME
    acme_client.get(path)
    globex_client.cookies[name] = acme_client.cookies[name].value
    assert globex_client.get("/").status_code == 503
    assert acme_client.get("/").status_code == 200  # it was worth something


def test_link_ends_by_itself(
    acme: TenantRef, acme_client: Client, closed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    path = _path(acme, life=timedelta(minutes=5))
    acme_client.get(path)
    assert acme_client.get("/").status_code == 200
    now = time.time()
    monkeypatch.setattr("shared_apps.domains.bypass.time.time", lambda: now + 301)
    assert acme_client.get("/").status_code == 503
    assert acme_client.get(path).status_code == 503


@pytest.mark.parametrize("life", [timedelta(0), timedelta(days=1)])
def test_link_for_too_long_is_refused(life: timedelta, acme: TenantRef) -> None:
    with pytest.raises(ValueError, match="lives up to"):
        lifecycle.make_bypass_link(tenant=acme, by="op@example.com", life=life)


def test_other_signed_values_of_the_tenant_are_no_bypass(
    acme: TenantRef, acme_client: Client, closed: None
) -> None:
    from shared_apps.tenants import context

    with context.run_in(acme):
        token = signing.dumps({"by": "me", "until": 2**40})
    assert acme_client.get(f"/maintenance/{token}").status_code == 503
    assert acme_client.get("/maintenance/nonsense").status_code == 503


def test_link_opens_nothing_but_maintenance(
    acme: TenantRef, acme_client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    path = _path(acme)
    assert acme_client.get(path).status_code == 404
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.suspend_tenant(tenant=Tenant.objects.get(pk=acme.id), **WORDS)
    assert acme_client.get(path).status_code == 403


def test_maintenance_page_says_when_to_come_back(acme_client: Client, closed: None) -> None:
    answer = acme_client.get("/")
    assert answer["Retry-After"] == "300"
