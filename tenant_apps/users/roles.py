"""The roles of a workspace. Each verb runs in the tenant's schema."""

from collections.abc import Iterable

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import QuerySet

from tenant_apps.activity import trail
from tenant_apps.slugs import slug_from
from tenant_apps.users.errors import NotAllowed, RoleInUse, RoleUnknown
from tenant_apps.users.models import Role, User
from tenant_apps.users.permissions import (
    BUILTIN_ROLES,
    OWNER,
    check_permission_names,
    permission_names_of,
)


def write_builtin_roles() -> dict[str, Role]:
    """Give the tenant the builtin roles as this release defines them, in one statement.

    Safe to repeat: rows that are there get the release's name and permissions, so a release that
    adds a permission calls it from a data migration.

    Returns:
        The roles by slug, with their keys.
    """
    roles = Role.objects.bulk_create(
        [
            Role(slug=slug, name=name, permissions=permission_names_of(slug), builtin=True)
            for slug, name in BUILTIN_ROLES.items()
        ],
        update_conflicts=True,
        unique_fields=["slug"],
        update_fields=["name", "permissions", "builtin"],
    )
    return {role.slug: role for role in roles}


def get_role(slug: str) -> Role:
    """The role of this workspace with this slug. Raises RoleUnknown."""
    try:
        return Role.objects.get(slug=slug)
    except ObjectDoesNotExist as error:
        raise RoleUnknown(f'This workspace has no role "{slug}".') from error


def require_may_give(*, by: User, role: Role) -> None:
    """Refuse to give, change or take away a role that may do more than one's own.

    Whoever manages people asks here for the role that is given and for the one that is lost: else
    a role with `users.manage_people` alone could be had every other one by.

    Raises:
        NotAllowed: `by` may not manage people, or the role grants what their own does not.
    """
    if not by.has_perm("users.manage_people"):
        raise NotAllowed("Your role does not let you manage people.")
    if role.slug == OWNER and not by.is_owner:
        raise NotAllowed("Only an owner can make, change or remove an owner.")
    missing = [name for name in role.permissions if not by.role.grants(name)]
    if missing:
        raise NotAllowed(
            f'The role "{role}" may do more than your own, so you cannot give it to anybody or '
            "take it away. Ask somebody whose role may do all of it."
        )


def can_give(*, by: User, role: Role) -> bool:
    """Whether `require_may_give` lets this pass."""
    try:
        require_may_give(by=by, role=role)
    except NotAllowed:
        return False
    return True


def roles_to_give(*, by: User) -> QuerySet[Role]:
    """The roles that `by` may give: those that may do no more than their own."""
    if not by.has_perm("users.manage_people"):
        return Role.objects.none()
    if by.is_owner:
        return Role.objects.all()
    return Role.objects.filter(permissions__contained_by=by.role.permissions).exclude(slug=OWNER)


def make_role(*, name: str, permissions: Iterable[str], by: User) -> Role:
    """Make a role of the workspace's own.

    Raises:
        NotAllowed: `by` may not manage people, or gives what their own role does not grant.
        PermissionUnknown: a name is in nobody's list.
    """
    names = _allowed_names(permissions, by)
    taken = set(Role.objects.values_list("slug", flat=True))
    base = slug_from(name, max_length=30) or "role"
    slug = next(
        s for n in range(1, len(taken) + 2) if (s := base if n == 1 else f"{base}-{n}") not in taken
    )
    with transaction.atomic():
        role = Role.objects.create(slug=slug, name=name, permissions=names)
        trail.record(verb="role.made", subject=role, actor=by, after={"permissions": names})
    return role


def change_role(*, role: Role, name: str, permissions: Iterable[str], by: User) -> Role:
    """Change a role of the workspace's own.

    Raises:
        NotAllowed: as make_role, for a builtin role, and for one that may do more than `by`'s.
        PermissionUnknown: a name is in nobody's list.
    """
    names = _allowed_names(permissions, by)
    if role.builtin:
        raise NotAllowed(f"The role {role} is builtin and stays as it is. Make one of your own.")
    with transaction.atomic():
        before = Role.objects.select_for_update().get(pk=role.pk)
        require_may_give(by=by, role=before)
        role.name, role.permissions = name, names
        role.save(update_fields=["name", "permissions"])
        trail.record(
            verb="role.changed",
            subject=role,
            actor=by,
            before={"name": before.name, "permissions": before.permissions},
            after={"name": name, "permissions": names},
        )
    return role


def delete_role(*, role: Role, by: User) -> None:
    """Delete a role that nobody has. Raises NotAllowed, RoleInUse."""
    _allowed_names((), by)
    if role.builtin or role.people.exists() or role.invitations.exists():
        raise RoleInUse(f"The role {role} is builtin, or people or invitations still have it.")
    with transaction.atomic():
        trail.record(verb="role.deleted", subject=role, actor=by)
        role.delete()


def _allowed_names(permissions: Iterable[str], by: User) -> list[str]:
    names = sorted(set(permissions))
    if not by.has_perm("users.manage_people"):
        raise NotAllowed("Your role does not let you manage roles.")
    check_permission_names(names)
    missing = [name for name in names if not by.role.grants(name)]
    if missing and by.role.slug != OWNER:
        raise NotAllowed("A role that you make cannot do more than your own.")
    return names
