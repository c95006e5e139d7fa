"""What waits in the fair queue for one tenant. Celery's own queue has no lanes: nothing is known there."""

from uuid import UUID

from celery import current_app


def count_messages(tenant: UUID) -> int:
    """How many messages of a tenant there are: waiting, or taken and not acknowledged.

    Raises:
        kombu.exceptions.OperationalError, redis.RedisError: the broker can't be asked.
    """
    return _ask("count_lane", tenant)


def forget_messages(tenant: UUID) -> int:
    """Delete a tenant's messages. Returns how many there were. Raises as count_messages."""
    return _ask("forget_lane", tenant)


def _ask(question: str, tenant: UUID) -> int:
    with current_app.connection_for_write() as broker:
        ask = getattr(broker.default_channel, question, None)
        return int(ask(tenant.hex)) if ask is not None else 0
