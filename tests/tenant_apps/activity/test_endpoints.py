import base64
from collections.abc import Callable

import pytest
from pytest_django import Settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.encryption import decrypt_text
from shared_apps.tenants.errors import TextUnreadable
from tenant_apps.activity import endpoints, webhooks
from tenant_apps.activity.errors import (
    AddressRefused,
    EndpointOff,
    EventTypeUnknown,
    NotAllowed,
    TooManyEndpoints,
)
from tenant_apps.activity.models import Entry, WebhookEndpoint
from tests.tenant_apps.activity.conftest import EndpointMaker
from tests.tenant_apps.conftest import LoggedIn, People

PRIVATE_ADDRESSES = [
    "https://169.254.169.254/latest/meta-data/",
    "https://localhost/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f.1/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[fd00:ec2::254]/",
    "https://10.1.2.3:8443/",
]


def test_secret_is_kept_encrypted_for_this_tenant(
    make_endpoint: EndpointMaker, globex: TenantRef
) -> None:
    endpoint, secret = make_endpoint()
    endpoint.refresh_from_db()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret not in endpoint.secret
    assert endpoints.secrets_of(endpoint) == [secret]
    with context.run_in(globex), pytest.raises(TextUnreadable):
        decrypt_text(endpoint.secret, purpose="webhook secret")


def test_rotation_keeps_the_former_secret_for_a_day(
    make_endpoint: EndpointMaker, acme_people: People
) -> None:
    endpoint, first = make_endpoint()
    second = endpoints.rotate_secret(endpoint=endpoint, by=acme_people["admin"])
    endpoint.refresh_from_db()
    assert endpoints.secrets_of(endpoint) == [second, first]
    assert endpoint.former_secret_until is not None
    endpoint.former_secret_until -= endpoints.FORMER_SECRET_COUNTS_FOR
    assert endpoints.secrets_of(endpoint) == [second]


@pytest.mark.parametrize("url", PRIVATE_ADDRESSES)
def test_private_address_is_refused_at_its_field(
    url: str, in_acme: TenantRef, acme_people: People
) -> None:
    with pytest.raises(AddressRefused, match="not a public host|no address|not an address") as no:
        endpoints.add_endpoint(url=url, event_types=["stock.low"], by=acme_people["owner"])
    assert no.value.field == "url"
    assert not WebhookEndpoint.objects.exists()


def test_plain_http_is_for_a_developers_machine(
    in_acme: TenantRef, acme_people: People, settings: Settings
) -> None:
    with pytest.raises(AddressRefused, match="starts with https://"):
        endpoints.add_endpoint(
            url="http://192.0.2.1/", event_types=["stock.low"], by=acme_people["owner"]
        )
    settings.DEBUG = True
    made, _ = endpoints.add_endpoint(
        url="http://192.0.2.1/",
        event_types=["stock.low"],
        by=acme_people["owner"],
        allow=lambda address: True,
    )
    assert made.is_on


def test_change_is_guarded_too(make_endpoint: EndpointMaker, acme_people: People) -> None:
    endpoint, _ = make_endpoint()
    with pytest.raises(AddressRefused):
        endpoints.change_endpoint(
            endpoint=endpoint, changes={"url": "https://[::1]/"}, by=acme_people["owner"]
        )
    changed = endpoints.change_endpoint(
        endpoint=endpoint,
        changes={"event_types": ["stock.low", "stock.low"], "description": " Shop "},
        by=acme_people["owner"],
    )
    changed.refresh_from_db()
    assert (changed.event_types, changed.description) == (["stock.low"], "Shop")
    assert Entry.objects.get(verb="webhook.changed").after["event_types"] == ["stock.low"]


def test_event_types_are_those_that_apps_registered(
    make_endpoint: EndpointMaker,
) -> None:
    with pytest.raises(EventTypeUnknown, match="article.published"):
        make_endpoint("article.invented")
    with pytest.raises(EventTypeUnknown):
        make_endpoint("")


def test_endpoints_are_counted(
    make_endpoint: EndpointMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_ENDPOINTS", 1)
    make_endpoint()
    with pytest.raises(TooManyEndpoints):
        make_endpoint()


def test_switching_off_and_on_says_who(make_endpoint: EndpointMaker, acme_people: People) -> None:
    endpoint, _ = make_endpoint()
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    for _ in range(2):
        endpoints.switch_off(endpoint=endpoint, by=acme_people["admin"])
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.off_reason) == ("off", "by_hand")
    assert endpoint.switched_off_by == acme_people["admin"]
    assert endpoint.deliveries.get().state == "failed"
    with pytest.raises(EndpointOff):
        webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    endpoints.switch_on(endpoint=endpoint, by=acme_people["admin"])
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.off_reason) == ("on", "")
    assert Entry.objects.filter(verb__startswith="webhook.switched").count() == 2


VERBS: list[Callable[..., object]] = [
    endpoints.rotate_secret,
    endpoints.switch_off,
    endpoints.switch_on,
    endpoints.delete_endpoint,
    webhooks.send_test_event,
]


@pytest.mark.parametrize("role", ["member", "author", "editor"])
def test_others_may_do_nothing(
    role: str, make_endpoint: EndpointMaker, acme_people: People
) -> None:
    endpoint, _ = make_endpoint()
    for verb in VERBS:
        with pytest.raises(NotAllowed):
            verb(endpoint=endpoint, by=acme_people[role])
    with pytest.raises(NotAllowed):
        endpoints.add_endpoint(url="x", event_types=["stock.low"], by=acme_people[role])
    with pytest.raises(NotAllowed):
        endpoints.change_endpoint(endpoint=endpoint, changes={}, by=acme_people[role])


@pytest.mark.parametrize(
    ("role", "status"),
    [("owner", 200), ("admin", 200), ("editor", 403), ("author", 403), ("member", 403)],
)
def test_page_is_for_those_who_may(role: str, status: int, as_role: LoggedIn) -> None:
    assert as_role(role).get("/account/webhooks/").status_code == status
    assert as_role(role).get("/api/v1/webhooks/").status_code == status
    listed = as_role(role).get("/admin/activity/webhookendpoint/").status_code
    assert (listed == 200) == (status == 200)


def test_visitor_is_sent_to_log_in(as_role: LoggedIn) -> None:
    assert as_role("visitor").get("/account/webhooks/").status_code == 302
    assert as_role("visitor").get("/api/v1/webhooks/").status_code == 401
