"""Provisioning's work in the background: thin doors to the verbs."""

from datetime import timedelta
from uuid import UUID

from shared_apps.tenants import provisioning, ready_pool
from shared_apps.tenants.tasks import periodic, public_task


@public_task(atomic=False)
def continue_provisioning(request_id: str) -> None:
    """Build what the pool lacked, and open the workspace. What fails, the sweep tries again."""
    provisioning.continue_provisioning(request_id=UUID(request_id))
    ready_pool.fill()


@periodic(every=timedelta(seconds=30))
@public_task(atomic=False)
def continue_provisionings() -> int:
    """Go on with what a killed process left."""
    return provisioning.continue_provisionings()


@periodic(every=timedelta(minutes=1))
@public_task(atomic=False)
def fill_ready_pool() -> int:
    """Keep the pool at its size."""
    return ready_pool.fill()


@periodic(every=timedelta(days=1))
@public_task(atomic=False)
def discard_drifted_schemas() -> int:
    """Drop ready schemas that somebody altered."""
    return ready_pool.discard_drifted()
