"""What other programs are told of people (tenant_apps.activity.webhooks)."""

from typing import Any, Final

from tenant_apps.activity.event_types import EventType
from tenant_apps.users.models import User


def tell_person(person: User) -> dict[str, Any]:
    """Who it is; nothing of what they say of themselves."""
    return {
        "id": person.pk,
        "email": person.email,
        "full_name": person.full_name,
        "role": person.role.slug,
        "joined_at": person.joined_at,
    }


EVENT_TYPES: Final = (EventType("member.joined", "Somebody joined the workspace", tell_person),)
