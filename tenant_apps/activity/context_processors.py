from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from tenant_apps.activity.notifications import unread_count


def notifications(request: HttpRequest) -> dict[str, Any]:
    """`unread_notifications`: how many the person has not read, asked where a template shows it and
    somebody is logged in. Nothing on the public host."""
    user = getattr(request, "user", None)
    if getattr(request, "tenant", None) is None or user is None:
        return {}
    return {
        "unread_notifications": SimpleLazyObject(
            lambda: unread_count(user) if user.is_authenticated else 0
        )
    }
