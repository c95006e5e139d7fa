"""Where a request comes from, whoever asks: the engine, the REST framework, allauth, the trail."""

from collections.abc import Callable

import pytest
from allauth.account.adapter import get_adapter
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings
from rest_framework.throttling import AnonRateThrottle

from shared_apps.tenants import visitors

PROXY = "10.0.0.1"
VISITOR = "192.0.2.7"
FORGED = "203.0.113.9"

Behind = Callable[[int], None]


def request(**meta: str) -> HttpRequest:
    """A request with these headers."""
    return RequestFactory().get("/", **meta)  # type: ignore[arg-type]


def answers(asked: HttpRequest) -> set[str | None]:
    """What each of those who ask for a visitor's address is told."""
    return {
        visitors.address_of(asked),
        visitors.network_of(asked),
        AnonRateThrottle().get_ident(asked),  # type: ignore[arg-type]
        get_adapter().get_client_ip(asked),
    }


@pytest.fixture
def behind(settings: Settings) -> Behind:
    """`behind(2)`: as the settings are with TERRACE_PROXIES=2."""

    def stand(proxies: int) -> None:
        settings.TERRACE_PROXIES = proxies
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}

    return stand


def test_settings_tell_the_rest_framework_of_the_proxies(settings: Settings) -> None:
    assert settings.REST_FRAMEWORK["NUM_PROXIES"] == settings.TERRACE_PROXIES


def test_visitor_is_the_peer_and_not_what_a_header_says() -> None:
    assert answers(request(REMOTE_ADDR=VISITOR, HTTP_X_FORWARDED_FOR=FORGED)) == {VISITOR}


@pytest.mark.parametrize(
    ("proxies", "header"),
    [
        (1, VISITOR),
        (1, f"{FORGED}, {VISITOR}"),
        (1, f"{FORGED}, {FORGED},{VISITOR}"),
        (2, f"{FORGED}, {VISITOR}, 10.0.0.2"),
    ],
)
def test_visitor_behind_proxies_is_what_the_first_of_them_wrote(
    behind: Behind, proxies: int, header: str
) -> None:
    behind(proxies)
    assert answers(request(REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR=header)) == {VISITOR}


def test_request_from_within_is_the_peers(behind: Behind) -> None:
    behind(2)
    assert answers(request(REMOTE_ADDR=VISITOR)) == {VISITOR}
    short = request(REMOTE_ADDR=VISITOR, HTTP_X_FORWARDED_FOR=FORGED)
    assert visitors.address_of(short) == VISITOR
    assert get_adapter().get_client_ip(short) == VISITOR


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" 192.0.2.7 ", VISITOR),
        ("192.0.2.7:4711", VISITOR),
        ("::ffff:192.0.2.7", VISITOR),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        ("unknown", None),
        ("192.0.2.7; DROP TABLE", None),
        ("999.0.2.7", None),
    ],
)
def test_address_is_read_as_proxies_write_it_or_is_none(
    behind: Behind, written: str, address: str | None
) -> None:
    behind(1)
    assert visitors.address_of(request(REMOTE_ADDR="", HTTP_X_FORWARDED_FOR=written)) == address


def test_visitor_on_a_unix_socket_is_unknown_and_may_log_in() -> None:
    nobody = request(REMOTE_ADDR="")
    assert visitors.address_of(nobody) is None
    assert visitors.network_of(nobody) == "unknown"
    assert get_adapter().get_client_ip(nobody) == "unknown"


def test_network_with_ipv6_is_a_household() -> None:
    def network(address: str) -> str:
        return visitors.network_of(request(REMOTE_ADDR=address))

    assert network("2001:db8:1:2:aaaa::1") == network("2001:db8:1:2::9")
    assert network("2001:db8:1:2::9") != network("2001:db8:1:3::9")
    assert network("::ffff:192.0.2.7") != network("::ffff:192.0.2.8")
