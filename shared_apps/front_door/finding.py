"""Find my workspace: which tenants an e-mail address has an account at.

People live in their tenants' schemas and nowhere else, so each tenant is asked. That is work for a
task: the visitor gets the same answer at once, whatever is found.
"""

from shared_apps.front_door import letters
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.models import SERVED, Tenant
from shared_apps.tenants.registry import has_person


def mail_workspaces(email: str) -> int:
    """Mail the list of workspaces to this address; an empty one too. Returns how many there are.

    Runs in: the public schema, and in each tenant that is served.
    """
    workspaces = _workspaces_of(email)
    letters.send_workspaces_letter(email=email, workspaces=workspaces)
    return len(workspaces)


def _workspaces_of(email: str) -> list[TenantRef]:
    served = Tenant.objects.filter(status__in=SERVED)
    tenants = [tenant.ref for tenant in served.prefetch_related("domains").order_by("name")]
    found = []
    for tenant in tenants:
        with context.run_in(tenant):
            if has_person(email):
                found.append(tenant)
    return found
