"""Who may change what of the workspace: written once, asked by pages, API and admin alike."""

from typing import Final

from django.contrib.auth.models import AnonymousUser

from tenant_apps.users.errors import NotAllowed
from tenant_apps.users.models import User

CHANGE_SETTINGS: Final = "workspace.change_settings"
CHANGE_LOOK: Final = "workspace.change_look"
CLOSE_SITE: Final = "workspace.close_site"

Person = User | AnonymousUser

_REFUSALS: Final = {
    CHANGE_SETTINGS: "Your role does not let you change the workspace's settings.",
    CHANGE_LOOK: "Your role does not let you change how the site looks. Ask an owner.",
    CLOSE_SITE: "Your role does not let you close the site. Ask an owner.",
}


def may(person: Person, permission: str) -> bool:
    """Whether this person may do it; a visitor may not."""
    return person.is_authenticated and person.has_perm(permission)


def require(person: Person, permission: str) -> None:
    """Raises NotAllowed, with a sentence of what is missing."""
    if not may(person, permission):
        raise NotAllowed(_REFUSALS[permission])


def comes_in_when_closed(person: Person) -> bool:
    """Whether this person works here: who may use the admin sees the site while it is closed."""
    return person.is_authenticated and person.is_active and person.is_staff
