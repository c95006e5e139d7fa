"""The message header that says whose work a task is.

`terrace_tenant: <uuid hex>:<signature>`. The signature binds the tenant's uuid to the task's name,
so a header that was copied to another task, or made up, is refused. It is made with the platform's
key, not a tenant's (signing.py would bind it to the tenant that is set while it is checked).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.signing import BadSignature, Signer

from shared_apps.tenants import context
from shared_apps.tenants.errors import ForgedTenantHeader, TenantHeaderMissing

TENANT = "terrace_tenant"
# Work in the public schema that a tenant caused: it queues with the tenant's, and runs without one.
LANE = "terrace_lane"
# [key, milliseconds]: the broker takes the message if it has not taken one with this key since.
ONCE = "terrace_once"
# How often the message's worker process died with it in hand.
LOST = "terrace_lost"

PUBLIC_LANE = "public"
_SALT = "terrace.tasks.tenant"
_UUID_HEX_LENGTH = 32


def sign(tenant: UUID, task_name: str) -> str:
    """The header's value for this tenant and this task."""
    with context.run_in_public():
        signature = Signer(salt=_SALT).signature(f"{tenant.hex}:{task_name}")
    return f"{tenant.hex}:{signature}"


def read(value: str | None, task_name: str) -> UUID:
    """The tenant that the header names.

    Raises:
        TenantHeaderMissing: there is no header.
        ForgedTenantHeader: its signature is not ours, or was made for another task.
    """
    if not value:
        raise TenantHeaderMissing(
            f"{task_name} is a tenant's task and its message names no tenant. Publish it inside "
            "`with context.run_in(tenant):`, or make it a @public_task."
        )
    tenant, _, signature = str(value).partition(":")
    try:
        with context.run_in_public():
            Signer(salt=_SALT).unsign(f"{tenant}:{task_name}:{signature}")
        return UUID(hex=tenant)
    except (BadSignature, ValueError) as error:
        raise ForgedTenantHeader(
            f"The tenant header of a {task_name} message was not signed for it by this platform. "
            "It was forged, copied from another task, or SECRET_KEY has changed without "
            "SECRET_KEY_FALLBACKS."
        ) from error


def lane(headers: Mapping[str, Any] | None) -> str | None:
    """In whose line a message waits: a tenant's uuid hex, `public`, or None where it is no task.

    Not verified: a wrong one costs a place in the queue, no more.
    """
    if not headers or "task" not in headers:
        return None
    named = str(headers.get(TENANT) or headers.get(LANE) or "")[:_UUID_HEX_LENGTH]
    if len(named) == _UUID_HEX_LENGTH and named.isalnum():
        return named
    return PUBLIC_LANE
