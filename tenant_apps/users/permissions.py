"""What a person may do, by name.

Each tenant app registers its permissions and says which builtin roles have them. A `Role` row keeps
the list of names that it grants, so a tenant needs neither auth_permission nor content types.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.apps import apps

OWNER = "owner"
ADMIN = "admin"
EDITOR = "editor"
AUTHOR = "author"
MEMBER = "member"

BUILTIN_ROLES: dict[str, str] = {
    OWNER: "Owner",
    ADMIN: "Admin",
    EDITOR: "Editor",
    AUTHOR: "Author",
    MEMBER: "Member",
}


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that a role may grant.

    Args:
        name: `<app>.<verb>_<noun>`, Django's own form, so that its admin can ask for it too.
        label: what an owner reads beside the tick box.
        roles: slugs of the builtin roles that grant it; the owner has all and is never listed.
    """

    name: str
    label: str
    roles: tuple[str, ...] = ()


_permissions: dict[str, Permission] = {}


class PermissionUnknown(ValueError):
    """A permission or a builtin role was named that nobody registered."""


def register_permissions(*permissions: Permission) -> None:
    """Make permissions known; call it in `AppConfig.ready()`. Registering a name twice replaces
    it."""
    for permission in permissions:
        unknown = set(permission.roles) - set(BUILTIN_ROLES)
        if unknown:
            raise PermissionUnknown(
                f"{permission.name} names the roles {', '.join(sorted(unknown))}, which do not "
                f"exist."
            )
        _permissions[permission.name] = permission


def registered_permissions() -> list[Permission]:
    """All permissions that the installed apps know, by name."""
    return [_permissions[name] for name in sorted(_permissions)]


def permissions_by_app() -> list[tuple[str, list[Permission]]]:
    """All permissions under the name of their app, as people read it."""
    groups: dict[str, list[Permission]] = {}
    for permission in registered_permissions():
        label = permission.name.partition(".")[0]
        groups.setdefault(str(apps.get_app_config(label).verbose_name), []).append(permission)
    return sorted(groups.items())


def permission_names_of(role_slug: str) -> list[str]:
    """What a builtin role grants in this release, sorted."""
    if role_slug == OWNER:
        return sorted(_permissions)
    return sorted(p.name for p in _permissions.values() if role_slug in p.roles)


def check_permission_names(names: Iterable[str]) -> None:
    """Raise PermissionUnknown where a name is in nobody's list."""
    unknown = sorted(set(names) - set(_permissions))
    if unknown:
        raise PermissionUnknown(f"There is no permission named {', '.join(unknown)}.")
