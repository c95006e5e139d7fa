import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries as AssertQueries
from pytest_django import DjangoCaptureOnCommitCallbacks as OnCommit
from pytest_django import Settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity import deliveries, endpoints, tasks, webhooks
from tenant_apps.activity.errors import EventTypeUnknown
from tenant_apps.activity.models import (
    DeliveryState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from tenant_apps.activity.signatures import sign
from tenant_apps.articles import publishing
from tenant_apps.outbound import OutboundFailed
from tests.tenant_apps.activity.conftest import EndpointMaker
from tests.tenant_apps.activity.receiver import Receiver, allow_loopback, receiving
from tests.tenant_apps.conftest import People, make_article


def _turn(endpoint: WebhookEndpoint) -> deliveries.Turn:
    return deliveries.deliver_due(endpoint_id=endpoint.pk, allow=allow_loopback)


def _make_due(endpoint: WebhookEndpoint) -> None:
    """As if the wait was over."""
    past = timezone.now() - timedelta(seconds=1)
    endpoint.deliveries.filter(state="waiting").update(next_attempt_at=past)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(busy_until=None)


def test_event_arrives_signed_as_the_standard_says(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    endpoint, secret = make_endpoint("article.published")
    article = make_article(acme_people["author"], "Hot glazes, é")
    assert _turn(endpoint).sent == 1
    (taken,) = receiver.taken
    delivery = endpoint.deliveries.get()
    assert taken.headers["webhook-id"] == str(delivery.event_id)
    timestamp = int(taken.headers["webhook-timestamp"])
    assert abs(timestamp - time.time()) < 60
    expected = sign(
        secrets=[secret], message_id=str(delivery.event_id), timestamp=timestamp, body=taken.body
    )
    assert taken.headers["webhook-signature"] == expected
    told = json.loads(taken.body)
    assert told["type"] == "article.published"
    assert told["data"]["title"] == "Hot glazes, é"
    assert told["data"]["id"] == str(article.pk)
    assert told["data"]["url"].startswith("http://acme.")
    assert (delivery.state, delivery.response_status) == ("delivered", 200)
    assert delivery.response_body == "taken"
    # Once is enough.
    assert _turn(endpoint).sent == 0


def test_signature_is_the_standards_own_example() -> None:
    """The vector of the reference implementation's tests (standard-webhooks, libraries)."""
    signature = sign(
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_rotated_secret_signs_beside_the_former(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    endpoint, first = make_endpoint()
    second = endpoints.rotate_secret(endpoint=endpoint, by=acme_people["owner"])
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    _turn(endpoint)
    (taken,) = receiver.taken
    expected = sign(
        secrets=[second, first],
        message_id=taken.headers["webhook-id"],
        timestamp=int(taken.headers["webhook-timestamp"]),
        body=taken.body,
    )
    assert taken.headers["webhook-signature"] == expected
    assert len(expected.split()) == 2


def test_event_is_there_only_with_what_happened(
    make_endpoint: EndpointMaker, acme_people: People
) -> None:
    make_endpoint("article.published")
    article = make_article(acme_people["author"], published=False)
    with pytest.raises(RuntimeError), transaction.atomic():
        publishing.publish_article(article=article, by=acme_people["owner"])
        assert WebhookEvent.objects.count() == 1
        raise RuntimeError
    assert WebhookEvent.objects.count() == 0


def test_nothing_is_written_where_nobody_wants_to_know(
    make_endpoint: EndpointMaker,
    acme_people: People,
    django_assert_num_queries: AssertQueries,
) -> None:
    endpoint, _ = make_endpoint("stock.low")
    article = make_article(acme_people["author"])
    with django_assert_num_queries(1):
        webhooks.announce("article.published", article)
    endpoints.switch_off(endpoint=endpoint, by=acme_people["owner"])
    webhooks.announce_many("stock.low", [])
    assert not WebhookEvent.objects.exists()
    with pytest.raises(EventTypeUnknown):
        webhooks.announce("article.invented", article)


@pytest.mark.parametrize("count", [1, 3])
def test_announcing_many_costs_as_one(
    count: int,
    make_endpoint: EndpointMaker,
    acme_people: People,
    django_assert_num_queries: AssertQueries,
) -> None:
    for _ in range(count):
        make_endpoint("article.published")
    article = make_article(acme_people["author"], published=False)
    with django_assert_num_queries(5):  # who wants it, savepoint, events, deliveries, release
        webhooks.announce_many("article.published", [article] * count)
    assert WebhookDelivery.objects.count() == count * count


def test_failure_is_tried_again_with_longer_waits(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    receiver.answers, receiver.body = [500], b"\xff\x00" + b"x" * 5_000
    endpoint, _ = make_endpoint()
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    waits = []
    for attempt in range(1, deliveries.MAX_ATTEMPTS + 1):
        assert _turn(endpoint).sent == 1
        delivery = endpoint.deliveries.get()
        assert delivery.attempts == attempt
        assert delivery.response_status == 500
        assert delivery.last_attempt_at is not None
        waits.append(delivery.next_attempt_at - delivery.last_attempt_at)
        assert (delivery.state == "failed") == (attempt == deliveries.MAX_ATTEMPTS)
        _make_due(endpoint)
    assert _turn(endpoint).sent == 0
    assert len(receiver.taken) == deliveries.MAX_ATTEMPTS
    assert {taken.headers["webhook-id"] for taken in receiver.taken} == {str(delivery.event_id)}
    assert {taken.body for taken in receiver.taken} == {receiver.taken[0].body}
    for wait, least in zip(waits, deliveries.WAITS, strict=False):
        assert least <= wait <= least * 1.3 + timedelta(seconds=2)
    assert timedelta(days=3) < sum(deliveries.WAITS, timedelta()) < timedelta(days=4)
    assert delivery.response_body == "\ufffd\ufffd" + "x" * 1022


def test_success_after_a_failure_ends_the_failing(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    receiver.answers = [503, 204]
    endpoint, _ = make_endpoint()
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    turn = _turn(endpoint)
    endpoint.refresh_from_db()
    assert endpoint.state == "failing"
    assert turn.next_in is not None
    assert timedelta(seconds=3) < turn.next_in <= deliveries._LONGEST_REST
    # It rests, whoever asks.
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    assert _turn(endpoint).sent == 0
    _make_due(endpoint)
    assert _turn(endpoint).sent == 2
    endpoint.refresh_from_db()
    assert endpoint.state == "on"


def test_redirect_is_not_followed(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    receiver.answers = [307]
    endpoint, _ = make_endpoint()
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    _turn(endpoint)
    assert len(receiver.taken) == 1
    delivery = endpoint.deliveries.get()
    assert (delivery.state, delivery.response_status) == ("waiting", 307)
    assert "answered 307" in delivery.failure


def test_gone_switches_the_endpoint_off(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    receiver.answers = [410]
    endpoint, _ = make_endpoint()
    for _ in range(3):
        webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    assert _turn(endpoint).sent == 1
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.off_reason) == ("off", "gone")
    assert set(endpoint.deliveries.values_list("state", flat=True)) == {"failed"}


def test_five_days_of_failure_switch_the_endpoint_off(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    receiver.answers = [500]
    endpoint, _ = make_endpoint()
    began = timezone.now() - deliveries.GIVEN_UP_AFTER
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    WebhookEndpoint.objects.update(failing_since=began + timedelta(minutes=1))
    _turn(endpoint)
    endpoint.refresh_from_db()
    assert endpoint.state == "failing"
    WebhookEndpoint.objects.update(failing_since=began - timedelta(minutes=1))
    _make_due(endpoint)
    _turn(endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.off_reason) == ("off", "failing")


def test_address_that_became_private_is_refused_when_sent(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    """As after a change of the DNS: what was allowed when it was saved is judged again."""
    endpoint, _ = make_endpoint()
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    deliveries.deliver_due(endpoint_id=endpoint.pk)
    assert receiver.taken == []
    delivery = endpoint.deliveries.get()
    assert delivery.state == "waiting"
    assert "not a public host" in delivery.failure


def test_address_without_tls_is_refused_in_production(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People, settings: Settings
) -> None:
    endpoint, _ = make_endpoint()
    settings.DEBUG = False
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    _turn(endpoint)
    assert receiver.taken == []
    assert "https://" in endpoint.deliveries.get().failure


def test_lost_worker_loses_nothing_and_keeps_the_id(
    make_endpoint: EndpointMaker,
    receiver: Receiver,
    acme_people: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed between the answer and writing it down: the claim runs out, and it is sent once more."""
    endpoint, _ = make_endpoint()
    webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    with monkeypatch.context() as patched:
        patched.setattr(deliveries, "_note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            _turn(endpoint)
    assert len(receiver.taken) == 1
    # Nobody else sends it while the claim stands.
    assert _turn(endpoint).sent == 0
    assert endpoint.pk not in deliveries.endpoints_due()
    delivery = endpoint.deliveries.get()
    assert (delivery.state, delivery.attempts) == ("waiting", 1)
    _make_due(endpoint)
    assert deliveries.endpoints_due() == [endpoint.pk]
    assert _turn(endpoint).sent == 1
    assert len(receiver.taken) == 2
    assert receiver.taken[0].headers["webhook-id"] == receiver.taken[1].headers["webhook-id"]
    assert endpoint.deliveries.get().state == "delivered"


def test_failing_endpoint_does_not_hold_up_another(
    make_endpoint: EndpointMaker,
    receiver: Receiver,
    acme_people: People,
    tasks_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    receiver.answers = [500]
    with receiving() as other:
        bad, _ = make_endpoint("article.published")
        good, _ = make_endpoint("article.published", url=other.url)
        monkeypatch.setattr(deliveries.deliver_due, "__kwdefaults__", {"allow": allow_loopback})
        with django_capture_on_commit_callbacks(execute=True):
            for number in range(3):
                make_article(acme_people["author"], f"Article {number}")
        assert len(other.taken) == 3
        titles = [json.loads(taken.body)["data"]["title"] for taken in other.taken]
        assert titles == ["Article 0", "Article 1", "Article 2"]
        # One failed, and the endpoint rests with the others waiting.
        assert len(receiver.taken) == 1
    assert bad.deliveries.filter(state="waiting").count() == 3
    assert good.deliveries.filter(state="delivered").count() == 3


def test_many_events_wake_one_task(
    make_endpoint: EndpointMaker,
    acme_people: People,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: OnCommit,
) -> None:
    endpoint, _ = make_endpoint()
    published: list[str] = []
    monkeypatch.setattr(tasks.send_webhooks, "delay", published.append)
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(5):
            webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    assert published == [str(endpoint.pk)]


def test_replay_begins_anew_under_the_same_id(
    make_endpoint: EndpointMaker, receiver: Receiver, acme_people: People
) -> None:
    endpoint, _ = make_endpoint()
    sent = webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    _turn(endpoint)
    webhooks.replay_delivery(
        delivery=WebhookDelivery.objects.select_related("endpoint").get(), by=acme_people["admin"]
    )
    assert _turn(endpoint).sent == 1
    assert [taken.headers["webhook-id"] for taken in receiver.taken] == [str(sent.event_id)] * 2
    delivery = endpoint.deliveries.get()
    assert (delivery.attempts, delivery.replayed_by) == (1, acme_people["admin"])


def test_replay_of_all_failed_takes_those_since_a_time(
    make_endpoint: EndpointMaker, acme_people: People
) -> None:
    endpoint, _ = make_endpoint()
    for _ in range(3):
        webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    old, failed, delivered = endpoint.deliveries.order_by("id")
    endpoint.deliveries.update(state=DeliveryState.FAILED)
    endpoint.deliveries.filter(pk=delivered.pk).update(state=DeliveryState.DELIVERED)
    long_ago = timezone.now() - timedelta(days=4)
    WebhookEvent.objects.filter(pk=old.event_id).update(happened_at=long_ago)
    since = timezone.now() - timedelta(days=1)
    owner = acme_people["owner"]
    assert webhooks.replay_failed(endpoint=endpoint, since=since, by=owner) == 1
    assert endpoint.deliveries.get(state="waiting").pk == failed.pk
    assert webhooks.replay_failed(endpoint=endpoint, since=since, by=owner) == 0


def test_log_is_kept_for_thirty_days(make_endpoint: EndpointMaker, acme_people: People) -> None:
    endpoint, _ = make_endpoint()
    for _ in range(2):
        webhooks.send_test_event(endpoint=endpoint, by=acme_people["owner"])
    old = WebhookEvent.objects.earliest("id")
    WebhookEvent.objects.filter(pk=old.pk).update(
        happened_at=timezone.now() - webhooks.KEPT_FOR - timedelta(hours=1)
    )
    assert webhooks.tidy_events() == 1
    assert webhooks.tidy_events() == 0
    assert WebhookDelivery.objects.get().event_id != old.pk


def test_event_of_acme_is_no_event_at_globex(
    make_endpoint: EndpointMaker, globex: TenantRef, acme_people: People, globex_people: People
) -> None:
    make_endpoint("article.published")
    with context.run_in(globex):
        make_article(globex_people["author"])
        assert not WebhookEvent.objects.exists()
    assert not WebhookEvent.objects.exists()


@pytest.fixture
def committed(committing_db: None, cast: dict[str, TenantRef]) -> Iterator[UUID]:
    """An endpoint with events, for workers of their own; gone afterwards."""
    with context.run_in(cast["acme"]):
        endpoint = WebhookEndpoint.objects.create(
            url="http://127.0.0.1:9/", event_types=["stock.low"], secret=""
        )
        yield endpoint.pk
        WebhookEndpoint.objects.all().delete()
        WebhookEvent.objects.all().delete()


def test_two_workers_send_each_event_once(
    committed: UUID, cast: dict[str, TenantRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[UUID] = []

    def note(url: str, *, message: object, **rest: object) -> None:
        sent.append(UUID(message.headers["webhook-id"]))  # type: ignore[attr-defined]
        time.sleep(0.01)
        raise OutboundFailed("no answer")

    monkeypatch.setattr(deliveries, "send", note)
    monkeypatch.setattr(endpoints, "secrets_of", lambda endpoint: [])
    with context.run_in(cast["acme"]):
        events = [WebhookEvent(type="stock.low") for _ in range(8)]
        WebhookEvent.objects.bulk_create(events)
        WebhookDelivery.objects.bulk_create(
            [WebhookDelivery(event=event, endpoint_id=committed) for event in events]
        )
        barrier = threading.Barrier(4)

        def work() -> None:
            barrier.wait()
            for _ in range(4):
                deliveries.deliver_due(endpoint_id=committed)
            connections.close_all()

        workers = [threading.Thread(target=context.carry(work)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        # After the first failure the endpoint rests: of all the turns one was had.
        assert len(sent) == 1
        assert WebhookDelivery.objects.filter(attempts=1).count() == 1
