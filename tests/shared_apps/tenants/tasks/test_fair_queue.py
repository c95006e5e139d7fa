"""The broker: turns between lanes, and nothing lost or doubled."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any, cast

import kombu
import pytest
import redis
from django.conf import settings

from shared_apps.tenants.tasks import fair_queue, header

QUEUE = "fair-test"
A, B, C = (uuid.UUID(int=number).hex for number in (10, 11, 12))


@pytest.fixture
def broker() -> Iterator[kombu.Connection]:
    """A connection to the broker, for both sides."""
    with kombu.Connection(
        settings.REDIS_URL,
        transport=settings.CELERY_BROKER_TRANSPORT,
        transport_options={"visibility_timeout": 1, "unacked_restore_throttle": 1},
    ) as connection:
        yield connection
    while consumers:
        consumers.pop().vanish()


@pytest.fixture
def store() -> Iterator[Any]:
    """The server behind it."""
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        yield client


def publish(broker: kombu.Connection, body: str, lane: str | None = None, **options: Any) -> None:
    headers = {"task": "x", **options.pop("headers", {})}
    if lane:
        headers[header.TENANT] = f"{lane}:signature"
    broker.Producer(serializer="json").publish(
        body,
        routing_key=QUEUE,
        declare=[kombu.Queue(QUEUE, routing_key=QUEUE)],
        headers=headers,
        **options,
    )


consumers: list["Consumer"] = []


class Consumer:
    """Takes messages as a worker does, and keeps them until they are acknowledged."""

    def __init__(
        self, broker: kombu.Connection, queue: str = QUEUE, *, no_ack: bool = False
    ) -> None:
        consumers.append(self)
        self.taken: list[Any] = []
        self.connection = broker.clone()
        self.channel = cast("Any", self.connection.channel())
        self.channel.basic_qos(0, 1, False)
        consumer = kombu.Consumer(
            self.channel,
            [kombu.Queue(queue)],
            no_ack=no_ack,
            callbacks=[lambda body, message: self.taken.append(message)],
        )
        consumer.consume()

    def take(self, *, seconds: float = 3.0) -> Any:
        """The next message, not acknowledged; None where none comes."""
        before = len(self.taken)
        for _ in range(int(seconds * 4)):
            try:
                self.connection.drain_events(timeout=0.25)
            except TimeoutError:
                continue
            if len(self.taken) > before:
                return self.taken[-1]
        return None

    def drain(self) -> list[str]:
        """All bodies there are, each acknowledged."""
        bodies = []
        while (message := self.take(seconds=1.5)) is not None:
            bodies.append(message.payload)
            message.ack()
        return bodies

    def vanish(self) -> None:
        """Go as kill -9 goes: nothing is given back."""
        if self.channel.closed:
            return
        self.channel.do_restore = False
        self.channel.qos._on_collect.cancel()
        self.channel.connection.cycle.close()
        self.channel._disconnect_pools()


def test_lanes_take_turns(broker: kombu.Connection) -> None:
    for number in range(4):
        publish(broker, f"a{number}", A)
    for number in range(2):
        publish(broker, f"b{number}", B)
    publish(broker, "public")
    assert Consumer(broker).drain() == ["a0", "b0", "public", "a1", "b1", "a2", "a3"]


def test_lane_that_becomes_busy_is_served_next(broker: kombu.Connection) -> None:
    for number in range(50):
        publish(broker, f"a{number}", A)
        publish(broker, f"b{number}", B)
    consumer = Consumer(broker)
    for _ in range(5):
        consumer.take().ack()
    publish(broker, "quiet", C)
    assert consumer.take().payload == "quiet"


def test_lane_that_is_empty_for_a_moment_gains_nothing_by_it(broker: kombu.Connection) -> None:
    for number in range(50):
        publish(broker, f"a{number}", A)
    consumer = Consumer(broker)
    served = []
    publish(broker, "c", C)
    for _ in range(20):
        message = consumer.take()
        served.append(message.payload[0])
        message.ack()
        if message.payload == "c":
            publish(broker, "c", C)
    assert served.count("c") == 10


def test_lone_lane_is_served_without_pause(broker: kombu.Connection) -> None:
    for number in range(100):
        publish(broker, f"a{number}", A)
    assert Consumer(broker).drain() == [f"a{number}" for number in range(100)]


def test_priority_goes_before_turns(broker: kombu.Connection) -> None:
    publish(broker, "late", A, priority=9)
    publish(broker, "later", A, priority=9)
    publish(broker, "early", B, priority=0)
    assert Consumer(broker).drain() == ["early", "late", "later"]


def test_size_and_purge_count_the_lanes(broker: kombu.Connection, store: Any) -> None:
    for number in range(3):
        publish(broker, f"a{number}", A)
    publish(broker, "b", B, priority=6)
    channel: Any = broker.default_channel
    assert channel.queue_declare(QUEUE).message_count == 4
    assert channel.queue_purge(QUEUE) == 4
    assert [key for key in store.keys("*") if not key.startswith("_kombu")] == []
    publish(broker, "new", A)
    assert Consumer(broker).drain() == ["new"]


def test_message_is_unacknowledged_the_moment_it_leaves_its_lane(
    broker: kombu.Connection, store: Any
) -> None:
    publish(broker, "a", A)
    channel: Any = broker.default_channel
    assert channel._script_take(
        keys=[QUEUE], args=[0, "unacked", "unacked_index", fair_queue.TOKEN]
    )
    # Nobody has been told, and still it is kept.
    ((tag, stored),) = store.hgetall("unacked").items()
    message, _exchange, routing_key = json.loads(stored)
    assert (tag, routing_key) == (message["properties"]["delivery_tag"], QUEUE)
    assert store.zrange("unacked_index", 0, -1) == [tag]
    consumer = Consumer(broker)
    consumer.channel.qos.restore_visible(num=10)
    assert consumer.drain() == ["a"]
    assert not store.exists("unacked", "unacked_index")


def test_message_of_a_killed_consumer_comes_again_and_once(broker: kombu.Connection) -> None:
    publish(broker, "a", A)
    publish(broker, "b", B)
    first = Consumer(broker)
    assert first.take().payload == "a"
    first.vanish()
    time.sleep(1.1)
    second = Consumer(broker)
    second.channel.qos.restore_visible(num=10)
    assert sorted(second.drain()) == ["a", "b"]
    again = next(message for message in second.taken if message.payload == "a")
    assert again.headers["redelivered"]
    second.channel.qos.restore_visible(num=10)
    assert second.drain() == []


def test_rejected_message_counts_its_lost_workers(broker: kombu.Connection) -> None:
    publish(broker, "a", A)
    consumer = Consumer(broker)
    for lost in range(3):
        message = consumer.take()
        assert message.headers.get(header.LOST, 0) == lost
        message.reject(requeue=True)


def test_lost_tokens_strand_nothing(broker: kombu.Connection, store: Any) -> None:
    for number in range(3):
        publish(broker, f"a{number}", A)
    store.delete(QUEUE)
    assert Consumer(broker).drain() == ["a0", "a1", "a2"]


def test_lost_token_is_made_up_for_while_others_flow(broker: kombu.Connection, store: Any) -> None:
    for number in range(3):
        publish(broker, f"a{number}", A)
    store.rpop(QUEUE)
    store.rpop(QUEUE)
    consumer = Consumer(broker)
    consumer.take().ack()
    assert store.llen(QUEUE) == 1


def test_token_too_many_does_no_harm(broker: kombu.Connection, store: Any) -> None:
    publish(broker, "a", A)
    store.lpush(QUEUE, fair_queue.TOKEN, fair_queue.TOKEN)
    assert Consumer(broker).drain() == ["a"]


def test_closing_consumer_gives_its_token_back(broker: kombu.Connection, store: Any) -> None:
    consumer = Consumer(broker)
    consumer.take(seconds=0.25)  # it now waits in BRPOP
    publish(broker, "a", A)
    time.sleep(0.1)
    assert store.llen(QUEUE) == 0  # the server has handed the token over
    consumer.connection.close()
    assert store.llen(QUEUE) == 1
    assert Consumer(broker).drain() == ["a"]


def test_message_of_a_stock_producer_is_delivered(broker: kombu.Connection) -> None:
    with kombu.Connection(settings.REDIS_URL) as stock:
        publish(stock, "stock", A)
    publish(broker, "fair", A)
    assert sorted(Consumer(broker).drain()) == ["fair", "stock"]


def test_what_is_no_task_stays_in_the_plain_list(broker: kombu.Connection, store: Any) -> None:
    broker.Producer(serializer="json").publish(
        "reply", routing_key="replies", declare=[kombu.Queue("replies", routing_key="replies")]
    )
    assert store.llen("replies") == 1
    consumer = Consumer(broker, "replies", no_ack=True)
    assert consumer.take().payload == "reply"
    assert not store.exists("unacked")


def test_once_is_taken_once_and_not_remembered_by_a_retry(
    broker: kombu.Connection, store: Any
) -> None:
    for _ in range(3):
        publish(broker, "once", A, headers={header.ONCE: ["terrace:once:x", 60_000]})
    consumer = Consumer(broker)
    message = consumer.take()
    assert header.ONCE not in message.headers
    message.ack()
    assert consumer.drain() == []
    assert 50_000 < store.pttl("terrace:once:x") <= 60_000


def test_synchronous_get_takes_turns_too(broker: kombu.Connection) -> None:
    for number in range(2):
        publish(broker, f"a{number}", A)
    publish(broker, "b", B)
    channel: Any = broker.channel()
    taken = [channel.basic_get(QUEUE, no_ack=True) for _ in range(4)]
    assert [message.decode() for message in taken if message] == ["a0", "b", "a1"]


def test_global_key_prefix_is_refused() -> None:
    with (
        kombu.Connection(
            settings.REDIS_URL,
            transport=settings.CELERY_BROKER_TRANSPORT,
            transport_options={"global_keyprefix": "x"},
        ) as connection,
        pytest.raises(ValueError, match="database of its own"),
    ):
        connection.channel()


def test_lane_is_public_where_the_header_is_no_tenants() -> None:
    assert header.lane({"task": "x", header.TENANT: "../../x"}) == "public"
    assert header.lane({"task": "x", header.TENANT: f"{A}:s"}) == A
    assert header.lane({"task": "x", header.LANE: B}) == B
    assert header.lane({"task": "x"}) == "public"
    assert header.lane({}) is None
