"""What every template knows of its host."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def tenant(request: HttpRequest) -> dict[str, Any]:
    """`tenant` (None on the public host) and `platform_host`, the public site's hostname."""
    return {
        "tenant": getattr(request, "tenant", None),
        "platform_host": settings.TERRACE_BASE_DOMAIN,
    }
