"""What a tenant is called. The public schema's row has the name that every page and mail shows."""

from dataclasses import replace

from django.db import transaction

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef


def rename_tenant(*, name: str) -> TenantRef:
    """Call the tenant that is set something else, wherever its name is shown.

    Its hostnames stay as they are.

    Args:
        name: 1 to 100 characters, in one line.
    Raises:
        NoTenant: none is set.
        ValueError: the name is empty, too long, or of several lines.
    Returns:
        The tenant under its new name. The one that is set keeps the old until it is left.
    Runs in: the public schema, in the caller's transaction. Seen by every process within
    TERRACE_HOST_CACHE_SECONDS of the commit.
    """
    # Here, so that tenant apps can be loaded where there is no engine (bare Django, in benchmarks).
    from shared_apps.tenants.models import Tenant

    tenant = context.require_tenant()
    longest = Tenant._meta.get_field("name").max_length
    if not name.strip() or len(name) > longest or len(name.splitlines()) > 1:
        raise ValueError(f"A tenant's name is one line of 1 to {longest} characters, not {name!r}.")
    with context.run_in_public(), transaction.atomic():
        Tenant.objects.filter(pk=tenant.id).update(name=name)
        transaction.on_commit(_forget_hosts)
    return replace(tenant, name=name)


def _forget_hosts() -> None:
    from shared_apps.domains.resolution import bump_version

    bump_version()
