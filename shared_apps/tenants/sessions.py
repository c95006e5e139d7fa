"""Sessions in the schema of the host they belong to, read through the cache, stamped with the tenant.

The row stands in the tenant's own `django_session` (operators' in public's), the cache key carries
the tenant, and the data says whose it is: three reasons why A's cookie is nothing on B.
"""

import logging
from typing import Any

from django.contrib.sessions.backends.cached_db import SessionStore as CachedDbStore
from django.utils import timezone

from shared_apps.tenants import context

logger = logging.getLogger(__name__)

TENANT_KEY = "_terrace_tenant"
PUBLIC = "public"


def delete_expired() -> int:
    """Delete the sessions that are over, where the work is: in the set tenant's schema, or in public's.

    Django ends a session by its date and leaves the row. Safe to repeat; one statement.

    Returns:
        How many there were.
    """
    deleted, _ = (
        SessionStore.get_model_class().objects.filter(expire_date__lt=timezone.now()).delete()
    )
    return deleted


class SessionStore(CachedDbStore):
    """Refuses data that was written under another tenant, in sync and in async views."""

    def load(self) -> dict[str, Any]:
        """The session's data, or an empty session where it is another tenant's."""
        return self._own(super().load())

    async def aload(self) -> dict[str, Any]:
        """As load."""
        return self._own(await super().aload())

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Write the session, stamped."""
        self._get_session(no_load=must_create)[TENANT_KEY] = self._here()  # type: ignore[attr-defined]
        super().save(must_create)

    async def asave(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """As save."""
        session = await self._aget_session(no_load=must_create)  # type: ignore[attr-defined]
        session[TENANT_KEY] = self._here()
        await super().asave(must_create)

    def is_empty(self) -> bool:
        """Whether nothing but the stamp is in it."""
        # With a key it isn't, read or unread: the middleware would delete the visitor's cookie.
        if self._session_key:
            return False
        kept: dict[str, Any] = getattr(self, "_session_cache", {})
        return not kept.keys() - {TENANT_KEY}

    def _own(self, data: dict[str, Any]) -> dict[str, Any]:
        if data and data.get(TENANT_KEY) != self._here():
            logger.warning("A session of another tenant was shown and refused.")
            self._session_key = None
            return {}
        return data

    @staticmethod
    def _here() -> str:
        tenant = context.current_tenant()
        return tenant.uuid.hex if tenant else PUBLIC
