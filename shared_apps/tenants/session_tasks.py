"""Clearing up sessions in the background: thin doors to the verb."""

from datetime import timedelta

from shared_apps.tenants import sessions
from shared_apps.tenants.tasks import periodic, public_task, tenant_task


@periodic(every=timedelta(days=1))
@tenant_task
def delete_expired_sessions() -> int:
    """People's, in each tenant."""
    return sessions.delete_expired()


@periodic(every=timedelta(days=1))
@public_task
def delete_expired_public_sessions() -> int:
    """Operators' and visitors', on the public host."""
    return sessions.delete_expired()
