"""Who may do what with webhooks: written once, asked by pages, API and admin alike."""

from typing import Any, Final, TypeAlias

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from tenant_apps.activity.errors import NotAllowed

MANAGE_WEBHOOKS: Final = "activity.manage_webhooks"

Person: TypeAlias = AbstractBaseUser | AnonymousUser


def can_manage_webhooks(person: Person) -> bool:
    """Whether this person may see and change endpoints, and read what was sent to them."""
    # Whoever the project's users are, Django asks them by this name.
    user: Any = person
    return bool(user.is_authenticated and user.has_perm(MANAGE_WEBHOOKS))


def require_manage_webhooks(person: Person) -> None:
    """Raises NotAllowed."""
    if not can_manage_webhooks(person):
        raise NotAllowed("Your role does not let you manage webhooks.")
