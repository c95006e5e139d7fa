"""Background work that always knows whose it is.

@tenant_task      runs in the tenant that it was published in
@public_task      runs in the public schema
@periodic(every=) above either of them, runs it again and again
"""

from shared_apps.tenants.tasks.base import (
    PublicTask,
    TenantTask,
    bound_tenant_task,
    public_task,
    tenant_task,
)
from shared_apps.tenants.tasks.periodic import periodic

__all__ = [
    "PublicTask",
    "TenantTask",
    "bound_tenant_task",
    "periodic",
    "public_task",
    "tenant_task",
]
