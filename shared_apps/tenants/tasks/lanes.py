"""What waits in the fair queue for one tenant."""

from uuid import UUID

from celery import current_app


def count_messages(tenant: UUID) -> int:
    """How many messages of a tenant there are: waiting, or taken and not acknowledged.

    Celery's own queue has no lanes: 0 there.
    Raises:
        kombu.exceptions.OperationalError, redis.RedisError: the broker can't be asked.
    """
    with current_app.connection_for_write() as broker:
        count = getattr(broker.default_channel, "count_lane", None)
        return int(count(tenant.hex)) if count is not None else 0
