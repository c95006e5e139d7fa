"""What can go wrong between tenants, by name. Each message says what is wrong and what to do."""


class TenancyError(Exception):
    """Any breach of, or obstacle to, the separation of tenants."""


class NoTenant(TenancyError):
    """Tenant data was asked for where no tenant is set."""


class WrongTenant(TenancyError):
    """An object or a query of one tenant was used under another."""


class WrongSchema(TenancyError):
    """Public data was asked for inside a tenant, where PostgreSQL does not show it."""


class TenantNotFound(TenancyError):
    """No such tenant, or its role or schema is gone."""


class TenantNotActive(TenancyError):
    """The tenant exists, but its state does not allow this."""


class TenantSuspended(TenantNotActive):
    """The tenant is suspended."""


class TenantReadOnly(TenantNotActive):
    """The tenant is read-only, and something was to be written."""


class StatementRefused(TenancyError):
    """A statement that could change the lock from inside was handed to an ordinary cursor."""


class LockBypassed(TenancyError):
    """Something tried to choose the schema other than through the context."""


class TextUnreadable(TenancyError):
    """An encrypted text is another tenant's, for another purpose, or under a key that is gone."""


class HandOffRefused(TenancyError):
    """A hand-off token signs nobody in. The message is for the person who followed the link."""


class HandOffInvalid(HandOffRefused):
    """No such token, or it is another tenant's."""


class HandOffUsed(HandOffRefused):
    """The token was used before."""


class HandOffExpired(HandOffRefused):
    """The token is too old."""


class TenantHeaderMissing(NoTenant):
    """A tenant's task came without saying whose it is."""


class ForgedTenantHeader(TenancyError):
    """A task's tenant header was not signed by us, or for another task."""


class ForeignTaskBase(TenancyError):
    """A task whose class would run it without the tenant's check."""


class TaskLosesWorkers(TenancyError):
    """A task was given up: its worker process died under it again and again."""
