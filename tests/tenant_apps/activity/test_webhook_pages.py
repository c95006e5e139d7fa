import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries as AssertQueries

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import endpoints, webhooks
from tenant_apps.activity.models import WebhookDelivery, WebhookEndpoint
from tenant_apps.outbound import Address
from tests.tenant_apps.conftest import LoggedIn, People
from tests.tenant_apps.problems import sentences

FORM = {"url": "https://192.0.2.7/in", "description": "Shop", "event_types": ["stock.low"]}
JSON: dict[str, Any] = {"content_type": "application/json"}


def _everything(address: Address) -> bool:
    return True


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses for documentation (RFC 5737) are taken: nothing is sent in these tests."""
    for verb in (endpoints.add_endpoint, endpoints.change_endpoint):
        monkeypatch.setitem(verb.__kwdefaults__, "allow", _everything)


@pytest.fixture
def owner(as_role: LoggedIn) -> Client:
    return as_role("owner")


def _made(owner: Client, acme: TenantRef) -> WebhookEndpoint:
    assert owner.post("/account/webhooks/", FORM).status_code == 200
    with context.run_in(acme):
        return WebhookEndpoint.objects.latest("id")


def test_secret_is_shown_once(owner: Client, acme: TenantRef, unguarded: None) -> None:
    page = owner.post("/account/webhooks/", FORM)
    assert page.status_code == 200
    found = re.search(r"whsec_[\w+/=]+", page.content.decode())
    assert found is not None
    with context.run_in(acme):
        assert endpoints.secrets_of(WebhookEndpoint.objects.get()) == [found.group()]
    assert "whsec_" not in owner.get("/account/webhooks/").content.decode()
    assert "no-store" in page.headers["Cache-Control"]


def test_private_address_is_refused_at_the_field(owner: Client) -> None:
    page = owner.post("/account/webhooks/", {**FORM, "url": "https://169.254.169.254/"})
    assert page.status_code == 400
    assert "is not a public host" in page.content.decode()
    answer = owner.post("/api/v1/webhooks/", {**FORM, "url": "https://[::1]/"}, **JSON)
    assert (answer.status_code, list(sentences(answer))) == (400, ["url"])
    answer = owner.post("/api/v1/webhooks/", {**FORM, "event_types": ["x.y"]}, **JSON)
    assert (answer.status_code, list(sentences(answer))) == (400, ["event_types"])


def test_page_does_what_the_verbs_do(owner: Client, acme: TenantRef, unguarded: None) -> None:
    endpoint = _made(owner, acme)
    address = f"/account/webhooks/{endpoint.pk}/"
    changed = {**FORM, "event_types": ["stock.low", "article.published"]}
    assert owner.post(address, changed).status_code == 302
    assert owner.post(f"{address}test/").status_code == 302
    with context.run_in(acme):
        delivery = WebhookDelivery.objects.get()
    assert "webhook.test" in owner.get(address).content.decode()
    assert "webhook.test" not in owner.get(f"{address}?state=delivered").content.decode()
    page = owner.get(f"/account/webhooks/deliveries/{delivery.pk}/").content.decode()
    assert str(delivery.event_id) in page
    assert "Nothing has happened" in page
    assert owner.post(f"/account/webhooks/deliveries/{delivery.pk}/replay/").status_code == 302
    assert owner.post(f"{address}off/").status_code == 302
    assert "Switched off by hand" in owner.get(address).content.decode()
    assert owner.post(f"{address}on/").status_code == 302
    since = {"since": "2020-01-01T00:00"}
    assert owner.post(f"{address}replay/", since).status_code == 302
    assert owner.post(f"{address}replay/", {"since": "when?"}).status_code == 400
    assert "whsec_" in owner.post(f"{address}secret/").content.decode()
    with context.run_in(acme):
        delivery.refresh_from_db()
        endpoint.refresh_from_db()
        assert delivery.state == "waiting"
        assert delivery.replayed_at is not None
        assert endpoint.event_types == ["article.published", "stock.low"]
        assert len(endpoints.secrets_of(endpoint)) == 2
    assert owner.post(f"{address}delete/").status_code == 302
    assert owner.get(address).status_code == 404


def test_program_does_what_the_verbs_do(owner: Client, acme: TenantRef, unguarded: None) -> None:
    made = owner.post("/api/v1/webhooks/", FORM, **JSON)
    assert made.status_code == 201
    told = made.json()
    assert told["secret"].startswith("whsec_")
    address = f"/api/v1/webhooks/{told['id']}/"
    shown = owner.get(address)
    assert "secret" not in shown.json()
    assert shown.json()["state"] == "on"
    change = {"description": "Till"}
    assert owner.patch(address, change, **JSON).status_code == 428
    patched = owner.patch(address, change, headers={"If-Match": shown.headers["ETag"]}, **JSON)
    assert (patched.status_code, patched.json()["description"]) == (200, "Till")
    tested = owner.post(f"{address}test/", **JSON)
    assert (tested.status_code, tested.json()["type"]) == (202, "webhook.test")
    delivery = f"{address}deliveries/{tested.json()['id']}/"
    assert owner.get(delivery).json()["state"] == "waiting"
    assert len(owner.get(f"{address}deliveries/?state=waiting").json()["results"]) == 1
    assert len(owner.get(f"{address}deliveries/?state=failed").json()["results"]) == 0
    assert len(owner.get(f"{address}deliveries/?event__type=x").json()["results"]) == 0
    assert owner.post(f"{address}switch-off/", **JSON).json()["state"] == "off"
    assert owner.post(f"{delivery}replay/", **JSON).status_code == 409
    assert owner.post(f"{address}switch-on/", **JSON).json()["state"] == "on"
    replayed = owner.post(f"{address}replay/", {"since": "2020-01-01T00:00Z"}, **JSON)
    assert (replayed.status_code, replayed.json()) == (202, {"replayed": 1})
    assert owner.post(f"{delivery}replay/", **JSON).status_code == 202
    rotated = owner.post(f"{address}rotate-secret/", **JSON).json()
    assert rotated["secret"] not in {told["secret"], ""}
    names = [one["name"] for one in owner.get("/api/v1/webhooks/event-types/").json()]
    assert {"article.published", "stock.low", "member.joined"} <= set(names)
    assert owner.delete(address).status_code == 204
    assert owner.get(f"{address}deliveries/").status_code == 404


def test_admin_does_what_the_verbs_do(owner: Client, acme: TenantRef, unguarded: None) -> None:
    endpoint = _made(owner, acme)
    listed = "/admin/activity/webhookendpoint/"
    assert owner.get(f"{listed}add/").headers["Location"] == "/account/webhooks/"
    assert owner.get(f"{listed}{endpoint.pk}/change/").status_code == 200
    chosen = {"_selected_action": str(endpoint.pk)}
    assert owner.post(listed, {**chosen, "action": "send_test"}).status_code == 302
    assert owner.post(listed, {**chosen, "action": "switch_off"}).status_code == 302
    with context.run_in(acme):
        endpoint.refresh_from_db()
        assert endpoint.state == "off"
        delivery = WebhookDelivery.objects.get()
    log = "/admin/activity/webhookdelivery/"
    again = {"_selected_action": str(delivery.pk), "action": "replay"}
    page = owner.post(log, again, follow=True)
    assert "is switched off" in page.content.decode()
    assert owner.post(listed, {**chosen, "action": "switch_on"}).status_code == 302
    assert "1 on the way again" in owner.post(log, again, follow=True).content.decode()
    change = {**FORM, "url": "https://192.0.2.8/", "_save": "Save"}
    assert owner.post(f"{listed}{endpoint.pk}/change/", change).status_code == 302
    with context.run_in(acme):
        endpoint.refresh_from_db()
        assert endpoint.url == "https://192.0.2.8/"


def test_admin_says_at_the_field_what_is_refused(
    owner: Client, acme: TenantRef, acme_people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    with context.run_in(acme):
        endpoint, _ = endpoints.add_endpoint(
            url=FORM["url"],  # type: ignore[arg-type]
            event_types=["stock.low"],
            by=acme_people["owner"],
            allow=_everything,
        )
    change = {**FORM, "url": "https://127.0.0.1/", "_save": "Save"}
    page = owner.post(f"/admin/activity/webhookendpoint/{endpoint.pk}/change/", change)
    assert page.status_code == 200
    assert "is not a public host" in page.content.decode()


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("address", "queries"),
    [
        ("/account/webhooks/", 5),
        ("/account/webhooks/{}/", 6),
        ("/api/v1/webhooks/", 4),
        ("/api/v1/webhooks/{}/deliveries/", 5),
    ],
)
def test_lists_ask_as_often_for_three_as_for_one(
    address: str,
    queries: int,
    count: int,
    owner: Client,
    acme: TenantRef,
    acme_people: People,
    unguarded: None,
    django_assert_num_queries: AssertQueries,
) -> None:
    with context.run_in(acme):
        for number in range(count):
            endpoint, _ = endpoints.add_endpoint(
                url=f"https://192.0.2.{number}/", event_types=["stock.low"], by=acme_people["owner"]
            )
        for _ in range(count):
            webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    owner.get("/account/")
    with django_assert_num_queries(queries):
        owner.get(address.format(endpoint.pk))
