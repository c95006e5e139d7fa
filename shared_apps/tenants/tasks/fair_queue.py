"""A Celery broker on Redis or Valkey in which no tenant waits behind another's flood.

Celery's own Redis transport keeps a queue in one list. Here the list (`<queue>`) holds only a token
for each waiting message; the messages stand in a list per tenant, its *lane*
(`<queue>:lane:<uuid>`, or `…:public`). A worker that pops a token asks for the next message by
turns: lanes that just became busy first, then the others in a ring, one message each; a lane that
was emptied stays in the ring until its turn, so that it can't push in front by being empty for a
moment. That is flow queueing as in RFC 8290 sections 4.1 and 4.2, counted in messages. Nothing is
reserved: a single busy lane has all workers.

The rest is the stock transport's: acknowledgement, restoring, eta, priorities (each priority has
lanes of its own), fanout. Two things are stricter here. A message goes from its lane to the table
of unacknowledged ones in one step, so a worker that dies in between loses nothing. And a message
with the header `terrace_once` is taken once in the time that it names.

Tokens only wake. One that is lost (a worker died between popping it and asking) is made up for:
an idle worker asks once a second, and whoever takes a message while others wait and the list is
empty puts a token in. A token too many finds no message, and that is all.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from logging import getLogger
from queue import Empty
from time import time
from typing import Any

from kombu.transport import redis as stock
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from shared_apps.tenants.tasks import header

logger = getLogger(__name__)

# The stubs lack most of what is used and overridden here.
_StockChannel: Any = stock.Channel
_StockTransport: Any = stock.Transport

TOKEN = b"~"

# KEYS: the queue. ARGV: lane, message, LPUSH (last in its lane) or RPUSH (first), token, and the
# key and milliseconds of `terrace_once`, or two empty strings.
_PUT = """
local queue, lane = KEYS[1], ARGV[1]
if ARGV[5] ~= '' and not redis.call('SET', ARGV[5], '1', 'NX', 'PX', ARGV[6]) then
    return 0
end
redis.call(ARGV[3], queue .. ':lane:' .. lane, ARGV[2])
if redis.call('SADD', queue .. ':lanes', lane) == 1 then
    redis.call('RPUSH', queue .. ':new', lane)
end
redis.call('INCR', queue .. ':waiting')
redis.call('LPUSH', queue, ARGV[4])
return 1
"""

# KEYS: queues, the most urgent first. ARGV: now in seconds, the hash and the sorted set of
# unacknowledged messages (empty where the consumer does not acknowledge), token.
# Returns the queue and its message, or nil.
_TAKE = """
local function next_of(queue)
    while true do
        local lane = redis.call('LPOP', queue .. ':new') or redis.call('LPOP', queue .. ':old')
        if not lane then
            redis.call('DEL', queue .. ':waiting')
            return nil
        end
        local message = redis.call('RPOP', queue .. ':lane:' .. lane)
        if message then
            redis.call('RPUSH', queue .. ':old', lane)
            return message
        end
        redis.call('SREM', queue .. ':lanes', lane)
    end
end
for _, queue in ipairs(KEYS) do
    local message = next_of(queue)
    if message then
        if redis.call('DECR', queue .. ':waiting') > 0 and redis.call('LLEN', queue) == 0 then
            redis.call('LPUSH', queue, ARGV[4])
        end
        local readable, decoded = pcall(cjson.decode, message)
        if readable and ARGV[2] ~= '' then
            local tag = decoded.properties.delivery_tag
            local route = decoded.properties.delivery_info
            redis.call('HSET', ARGV[2], tag, '[' .. message .. ',' ..
                cjson.encode(route.exchange) .. ',' .. cjson.encode(route.routing_key) .. ']')
            redis.call('ZADD', ARGV[3], ARGV[1], tag)
        end
        return {queue, message}
    end
end
return nil
"""

# KEYS: queues. Returns how many messages waited in them.
_PURGE = """
local purged = 0
for _, queue in ipairs(KEYS) do
    local waiting = tonumber(redis.call('GET', queue .. ':waiting') or '0')
    purged = purged + math.max(waiting, redis.call('LLEN', queue))
    for _, lane in ipairs(redis.call('SMEMBERS', queue .. ':lanes')) do
        redis.call('DEL', queue .. ':lane:' .. lane)
    end
    redis.call('DEL', queue, queue .. ':lanes', queue .. ':new', queue .. ':old',
        queue .. ':waiting')
end
return purged
"""


# KEYS: the queue. ARGV: lane. Returns how many messages stood in it. Tokens of theirs only wake.
_FORGET = """
local queue, lane = KEYS[1], ARGV[1]
local forgotten = redis.call('LLEN', queue .. ':lane:' .. lane)
redis.call('DEL', queue .. ':lane:' .. lane)
redis.call('SREM', queue .. ':lanes', lane)
redis.call('LREM', queue .. ':new', 0, lane)
redis.call('LREM', queue .. ':old', 0, lane)
if redis.call('DECRBY', queue .. ':waiting', forgotten) <= 0 then
    redis.call('DEL', queue .. ':waiting')
end
return forgotten
"""
_LANE = ":lane:"


class Channel(_StockChannel):  # type: ignore[misc] # as above
    """The stock channel, with lanes behind each queue of tasks.

    What is no task (replies to remote control) and queues that expire stay as they are. Messages
    that a stock producer put into the queue are delivered too.
    """

    supports_batch_publish = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._unacknowledged_by_nature: set[str] = set()
        super().__init__(*args, **kwargs)
        if self.global_keyprefix:
            self.close()
            raise ValueError(
                "The fair queue takes no global_keyprefix. Give the broker a Redis database of "
                "its own instead: redis://host:6379/1."
            )

    # --- Publishing -------------------------------------------------------------------------

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        lane = header.lane(message.get("headers"))
        if lane is None or queue in self._expires:
            super()._put(queue, message, **kwargs)
            return
        once = message["headers"].get(header.ONCE) or ("", "")
        # A retry of the task is a message of its own.
        headers = {key: value for key, value in message["headers"].items() if key != header.ONCE}
        key = self._q_for_pri(queue, self._get_message_priority(message, reverse=False))
        with self.conn_or_acquire() as client:
            self._script_put(
                keys=[key],
                args=[lane, dumps({**message, "headers": headers}), "LPUSH", TOKEN, *once],
                client=client,
            )

    def _do_restore_message(
        self,
        payload: dict[str, Any],
        exchange: str,
        routing_key: str,
        pipe: Any,
        leftmost: bool = False,  # noqa: FBT001, FBT002 - kombu's signature
    ) -> None:
        """Put a message that was not acknowledged back, in the transaction that is being made."""
        lane = header.lane(payload.get("headers"))
        if lane is None:
            super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)
            return
        payload["headers"]["redelivered"] = True
        payload["properties"].setdefault("delivery_info", {})["redelivered"] = True
        if leftmost:  # rejected: its worker process died
            payload["headers"][header.LOST] = payload["headers"].get(header.LOST, 0) + 1
        priority = self._get_message_priority(payload, reverse=False)
        for queue in self._lookup(exchange, routing_key):
            key = self._q_for_pri(queue, priority)
            side = "LPUSH" if leftmost else "RPUSH"
            pipe.eval(_PUT, 1, key, lane, dumps(payload), side, TOKEN, "", "")

    # --- Consuming --------------------------------------------------------------------------

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001 - kombu's signature
        """Consume, remembering who acknowledges."""
        if no_ack:
            self._unacknowledged_by_nature.add(queue)
        else:
            self._unacknowledged_by_nature.discard(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _brpop_read(self, **options: Any) -> bool:
        connection = self.client.connection
        try:
            try:
                popped = self.client.parse_response(connection, "BRPOP", **options)
            except self.connection_errors:
                connection.disconnect()
                raise
            queue, message = self._message_for(popped)
            self._queue_cycle.rotate(queue)
            self.connection._deliver(loads(bytes_to_str(message)), queue)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _message_for(self, popped: Sequence[bytes] | None) -> tuple[str, bytes]:
        """The queue and the message that what BRPOP gave stands for.

        Raises:
            Empty: none waits.
        """
        if popped is None:
            if self._closing:
                raise Empty
            return self._take(self._keys(*self.active_queues))
        key, content = popped
        if content != TOKEN:  # a stock producer's
            return self._queue_of(key), content
        if self._closing:
            with self.conn_or_acquire() as client:
                client.rpush(key, TOKEN)
            raise Empty
        return self._take([bytes_to_str(key)])

    def _take(self, keys: list[str], *, acknowledged: bool = True) -> tuple[str, bytes]:
        if not keys:
            raise Empty
        # A queue is either consumed with acknowledgements or without: all keys are of one kind.
        kept = acknowledged and not any(
            self._queue_of(key) in self._unacknowledged_by_nature for key in keys
        )
        unacked = [self.unacked_key, self.unacked_index_key] if kept else ["", ""]
        with self.conn_or_acquire() as client:
            taken = self._script_take(keys=keys, args=[time(), *unacked, TOKEN], client=client)
        if taken is None:
            raise Empty
        return self._queue_of(taken[0]), taken[1]

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for key in self._keys(queue):
            with self.conn_or_acquire() as client:
                content = client.rpop(key)
            if content is not None and content != TOKEN:
                return loads(bytes_to_str(content))
            try:
                _, message = self._take([key], acknowledged=False)
            except Empty:
                continue
            return loads(bytes_to_str(message))
        raise Empty

    # --- Counting and emptying ---------------------------------------------------------------

    def _size(self, queue: str) -> int:
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for key in self._keys(queue):
                pipe.llen(key).get(f"{key}:waiting")
            counts = [int(count or 0) for count in pipe.execute()]
        return sum(map(max, counts[::2], counts[1::2]))

    def _purge(self, queue: str) -> int:
        with self.conn_or_acquire() as client:
            return int(self._script_purge(keys=self._keys(queue), client=client))

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self._purge(queue)
        super()._delete(queue, *args, **kwargs)

    # --- Forgetting a tenant -----------------------------------------------------------------

    def count_lane(self, lane: str) -> int:
        """How many messages of a lane there are: waiting, or taken and not acknowledged."""
        with self.conn_or_acquire() as client:
            waiting = sum(client.llen(key) for key in self._lane_keys(client, lane))
            return int(waiting + sum(1 for _ in self._unacknowledged_of(client, lane)))

    def forget_lane(self, lane: str) -> int:
        """Delete every message of a lane, and what the broker remembers of its periodic slots.

        A task that a worker runs now ends as it would have. Returns how many messages there were.
        """
        forgotten = 0
        with self.conn_or_acquire() as client:
            for key in self._lane_keys(client, lane):
                queue = bytes_to_str(key).rsplit(_LANE, 1)[0]
                forgotten += int(self._script_forget(keys=[queue], args=[lane], client=client))
            for tag in list(self._unacknowledged_of(client, lane)):
                forgotten += int(client.hdel(self.unacked_key, tag))
                client.zrem(self.unacked_index_key, tag)
            for key in set(client.scan_iter(match=f"terrace:once:*:{lane}:*", count=1000)):
                client.unlink(key)
        return forgotten

    def _lane_keys(self, client: Any, lane: str) -> set[bytes]:
        return set(client.scan_iter(match=f"*{_LANE}{lane}", count=1000))

    def _unacknowledged_of(self, client: Any, lane: str) -> Iterator[bytes]:
        for tag, kept in client.hscan_iter(self.unacked_key, count=1000):
            message, _, _ = loads(bytes_to_str(kept))
            if header.lane(message.get("headers")) == lane:
                yield tag

    # --- Names and scripts --------------------------------------------------------------------

    def _keys(self, *queues: str) -> list[str]:
        return [
            self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues
        ]

    def _queue_of(self, key: bytes | str) -> str:
        return str(bytes_to_str(key)).rsplit(self.sep, 1)[0]

    @cached_property
    def _script_put(self) -> Any:
        return self.client.register_script(_PUT)

    @cached_property
    def _script_take(self) -> Any:
        return self.client.register_script(_TAKE)

    @cached_property
    def _script_forget(self) -> Any:
        return self.client.register_script(_FORGET)

    @cached_property
    def _script_purge(self) -> Any:
        return self.client.register_script(_PURGE)


class Transport(_StockTransport):  # type: ignore[misc] # as above
    """`CELERY_BROKER_TRANSPORT`; the URL stays `redis://…` or `rediss://…`."""

    Channel = Channel
    implements = _StockTransport.implements.extend(batch_publish=False)

    @property
    def supports_batch_publish(self) -> bool:
        """Never: a message goes in by a script."""
        return False
