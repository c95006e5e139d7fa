from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tenant_apps.workspace.kept_row import known_workspace
from tenant_apps.workspace.showing import shown_look


def workspace(request: HttpRequest) -> dict[str, Any]:
    """`workspace`: the tenant's settings; `look`: what its pages look like. Read where a template asks
    for them, without a query where the cache has them. Nothing on the public host."""
    if getattr(request, "tenant", None) is None:
        return {}
    return {
        "workspace": SimpleLazyObject(known_workspace),
        "look": SimpleLazyObject(lambda: shown_look(request)),
    }
