"""A write that a read-only tenant refuses, told from other errors.

PostgreSQL refuses it: the tenant's role has lost its grants (schemas.set_grants). So it holds in
every process, whatever that process believes of the tenant's status, for raw SQL too.
"""

from psycopg import errors as pg_errors

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantReadOnly


def is_refused_write(error: BaseException, tenant: TenantRef) -> bool:
    """Whether this error is a write that was refused because the tenant is read-only.

    Asks the table only where PostgreSQL said that a privilege is missing.
    Runs in: the public schema, whatever is set; not inside a transaction that has failed.
    """
    if isinstance(error, TenantReadOnly):
        return True
    return _lacks_privilege(error) and (tenant.status == "read_only" or _is_read_only(tenant))


def _lacks_privilege(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, pg_errors.InsufficientPrivilege):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _is_read_only(tenant: TenantRef) -> bool:
    from shared_apps.tenants.models import Tenant

    with context.run_in_public():
        return bool(Tenant.objects.filter(pk=tenant.id, read_only_since__isnull=False).exists())
