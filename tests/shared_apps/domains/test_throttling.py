"""Whom a throttle counts."""

from datetime import timedelta

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from shared_apps.front_door import throttling
from shared_apps.front_door.errors import TooManyAttempts
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

TWICE = throttling.Limit("twice", 2, timedelta(minutes=1), "Too often.")


def visitor(**meta: str) -> str:
    """The network of a request with these headers."""
    return throttling.visitor_of(RequestFactory().get("/", **meta))  # type: ignore[arg-type]


def test_third_time_is_refused_with_the_time_to_wait() -> None:
    throttling.count(TWICE, "ann@example.com")
    throttling.count(TWICE, "ann@example.com")
    with pytest.raises(TooManyAttempts, match=r"Too often\. Try again in ") as refused:
        throttling.count(TWICE, "Ann@example.com ")
    assert timedelta(0) < refused.value.retry_after <= timedelta(minutes=1)
    throttling.count(TWICE, "bob@example.com")


def test_count_is_the_platforms_and_no_tenants(acme: TenantRef) -> None:
    throttling.count(TWICE, "ann@example.com")
    with context.run_in(acme):
        throttling.count(TWICE, "ann@example.com")
        with pytest.raises(TooManyAttempts):
            throttling.count(TWICE, "ann@example.com")


def test_visitor_is_the_peer_and_not_what_a_header_says() -> None:
    assert visitor(REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="198.51.100.1") == "192.0.2.7"


def test_visitor_behind_proxies_is_the_last_entry_they_wrote(settings: Settings) -> None:
    settings.TERRACE_PROXIES = 1
    headers = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 192.0.2.7"}
    assert visitor(**headers) == "192.0.2.7"
    settings.TERRACE_PROXIES = 2
    assert visitor(**headers) == "203.0.113.9"


def test_visitor_with_ipv6_is_a_household() -> None:
    assert visitor(REMOTE_ADDR="2001:db8:1:2:aaaa::1") == visitor(REMOTE_ADDR="2001:db8:1:2::9")
    assert visitor(REMOTE_ADDR="2001:db8:1:2::9") != visitor(REMOTE_ADDR="2001:db8:1:3::9")
