from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tenant_apps.workspace.selectors import current_workspace


def workspace(request: HttpRequest) -> dict[str, Any]:
    """`workspace`: the tenant's settings, read once where a template asks for them. Nothing on the
    public host."""
    if getattr(request, "tenant", None) is None:
        return {}
    return {"workspace": SimpleLazyObject(current_workspace)}
