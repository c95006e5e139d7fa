"""`manage.py tenants shell acme`: Django's shell, inside one tenant."""

import sys
from uuid import UUID

from django.core.management import call_command

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantNotFound
from shared_apps.tenants.models import Tenant


def find_tenant(name: str) -> TenantRef:
    """A tenant by its subdomain, a hostname of its, its schema name or uuid, in any status.

    Raises:
        TenantNotFound: no tenant has this name.
    Runs in: the public schema, whatever is set.
    """
    with context.run_in_public():
        tenant = Tenant.objects.filter(**_lookup(name)).first()
        if tenant is None:
            raise TenantNotFound(
                f"No tenant is called {name!r}. Give its subdomain, hostname, schema name or "
                "uuid; `manage.py tenants list` shows them."
            )
        ref: TenantRef = tenant.ref
        return ref


def _lookup(name: str) -> dict[str, str | UUID]:
    if context.SCHEMA_NAME.match(name):
        return {"schema_name": name}
    try:
        return {"uuid": UUID(name)}
    except ValueError:
        label = name.lower().rstrip(".")
        return {"domains__domain": label} if "." in label else {"subdomain": label}


def open_shell(
    tenant: TenantRef, *, command: str | None = None, interface: str | None = None
) -> None:
    """Open Django's shell inside a tenant; every query and file there is the tenant's.

    Each statement is a transaction of its own unless `transaction.atomic` says otherwise. Platform
    rows are out of sight: `with context.run_in_public():` shows them.

    Args:
        command: Python code to run instead of asking, as `manage.py shell --command`.
        interface: ipython, bpython or python; the first that is installed by default.
    """
    if command is None:
        sys.stderr.write(
            f"You are in {tenant.name} ({tenant.hostname}, schema {tenant.schema_name}, "
            f"{tenant.status}).\n"
        )
    options = {"interface": interface} if interface else {}
    with context.run_in(tenant):
        call_command("shell", command=command, **options)
