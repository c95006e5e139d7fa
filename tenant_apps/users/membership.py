"""Who belongs to the workspace, and with which role. Each verb runs in the tenant's schema."""

from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from shared_apps.tenants.errors import OwnershipRefused
from tenant_apps.activity import trail
from tenant_apps.users.errors import (
    EmailTaken,
    LastOwner,
    MembershipError,
    NotAllowed,
    PersonInactive,
)
from tenant_apps.users.models import Role, User
from tenant_apps.users.permissions import ADMIN, OWNER


def add_person(
    *,
    email: str,
    full_name: str,
    role: Role,
    password: str | None,
    email_confirmed: bool,
    by: User | None = None,
) -> User:
    """Let a person into the workspace.

    Args:
        password: in clear text, checked by the caller's form; None for one who gets in by a link.
        email_confirmed: whether the address was proven, by a letter to it for example.
        by: who let them in; None where they let themselves in.
    Raises:
        EmailTaken: somebody here has this address already.
    """
    if User.objects.filter(email=email).exists():
        raise EmailTaken(f"{email.lower()} belongs to somebody in this workspace already.")
    user = User(email=email, full_name=full_name, role=role)
    user.set_password(password)
    with transaction.atomic():
        user.save(force_insert=True)
        EmailAddress.objects.create(
            user=user, email=user.email, verified=email_confirmed, primary=True
        )
        trail.record(
            verb="person.joined", subject=user, actor=by or user, after={"role": role.slug}
        )
    return user


def find_person(email: str) -> UUID | None:
    """The key of the person who may log in here with this address; asked by the public site."""
    key: UUID | None = (
        User.objects.active().filter(email=email).values_list("pk", flat=True).first()
    )
    return key


def change_role(*, person: User, role: Role, by: User) -> User:
    """Give a person another role.

    Raises:
        NotAllowed: `by` may not manage people, or the change touches an owner and `by` is none.
        LastOwner: the person is the only active owner.
    """
    with transaction.atomic():
        _require_may_manage(by, touches_owner=person.is_owner or role.slug == OWNER)
        before = person.role
        if before.pk == role.pk:
            return person
        if person.is_owner:
            _require_another_owner(person)
        person.role = role
        person.save(update_fields=["role"])
        trail.record(
            verb="person.role_changed",
            subject=person,
            actor=by,
            before={"role": before.slug},
            after={"role": role.slug},
        )
    return person


def transfer_ownership(*, person: User, by: User) -> User:
    """Make a person an owner in the place of another, who is an admin from then on.

    Both rows change in one transaction, under the lock that change_role takes too: the workspace has
    an owner at every moment, and of two transfers by one owner at once the second is refused.

    Args:
        person: who gets it; an active person of this workspace.
        by: who gives it; an owner.
    Raises:
        NotAllowed: `by` is no owner, or is none any more.
        PersonInactive: the person was deactivated.
        LastOwner: somebody would give it to themselves.
    """
    if person.pk == by.pk:
        raise LastOwner("Ownership goes to somebody else; you have it already.")
    with transaction.atomic():
        # All of them in one order, as _require_another_owner does, then as they are now.
        owners = {owner.pk: owner for owner in _locked_owners()}
        heir: User = (
            User.objects.select_for_update(of=("self",)).select_related("role").get(pk=person.pk)
        )
        giver = owners.get(by.pk)
        if giver is None:
            raise NotAllowed("Only an owner can give the workspace to somebody else.")
        if not heir.is_active:
            raise PersonInactive(f"{heir} was deactivated. Let them in again first.")
        before = heir.role.slug
        roles = {role.slug: role for role in Role.objects.filter(slug__in=[OWNER, ADMIN])}
        for who, slug in ((heir, OWNER), (giver, ADMIN)):
            who.role = roles[slug]
            who.save(update_fields=["role"])
        trail.record(
            verb="ownership.transferred",
            subject=heir,
            actor=by,
            before={"role": before, "owner": giver.email},
            after={"role": OWNER, "owner": heir.email, "former_owner_role": ADMIN},
        )
    person.role, by.role = roles[OWNER], roles[ADMIN]
    return heir


def give_ownership(*, heir: str, giver: str) -> None:
    """transfer_ownership by e-mail addresses, for the platform's operators.

    Args:
        heir: who gets it.
        giver: which owner gives it; may be empty where there is one.
    Raises:
        OwnershipRefused: nobody has such an address, an owner has to be named, or the verb says no.
    """
    person = User.objects.select_related("role").filter(email=heir).first()
    if person is None:
        raise OwnershipRefused(f"Nobody in this workspace has the address {heir}.")
    owners = list(User.objects.active().select_related("role").filter(role__slug=OWNER))
    givers = [owner for owner in owners if not giver or owner.email.lower() == giver.lower()]
    if len(givers) != 1:
        known = ", ".join(sorted(owner.email for owner in owners)) or "nobody"
        raise OwnershipRefused(f"Say which owner gives the workspace away. Its owners: {known}.")
    try:
        transfer_ownership(person=person, by=givers[0])
    except (MembershipError, NotAllowed) as error:
        raise OwnershipRefused(str(error)) from error


def rename_person(*, person: User, full_name: str, by: User) -> User:
    """Change the name that is shown. People change their own; others need `users.manage_people`."""
    if person.pk != by.pk:
        _require_may_manage(by, touches_owner=person.is_owner)
    before = person.full_name
    if before == full_name:
        return person
    with transaction.atomic():
        person.full_name = full_name
        person.save(update_fields=["full_name"])
        trail.record(
            verb="person.renamed",
            subject=person,
            actor=by,
            before={"full_name": before},
            after={"full_name": full_name},
        )
    return person


def deactivate_person(*, person: User, by: User) -> User:
    """Shut a person out and keep what they wrote. People may leave by themselves.

    Raises:
        NotAllowed: `by` may not manage people, or the person is an owner and `by` is none.
        LastOwner: the person is the only active owner.
    """
    with transaction.atomic():
        if person.pk != by.pk:
            _require_may_manage(by, touches_owner=person.is_owner)
        if person.is_owner:
            _require_another_owner(person)
        person.is_active = False
        person.deactivated_at = timezone.now()
        person.deactivated_by = by
        person.save(update_fields=["is_active", "deactivated_at", "deactivated_by"])
        trail.record(verb="person.deactivated", subject=person, actor=by)
    return person


def reactivate_person(*, person: User, by: User) -> User:
    """Let a person in again with the role they had."""
    with transaction.atomic():
        _require_may_manage(by, touches_owner=person.is_owner)
        person.is_active = True
        person.deactivated_at = None
        person.deactivated_by = None
        person.save(update_fields=["is_active", "deactivated_at", "deactivated_by"])
        trail.record(verb="person.reactivated", subject=person, actor=by)
    return person


def leave(*, person: User) -> User:
    """A person leaves the workspace. Raises LastOwner."""
    return deactivate_person(person=person, by=person)


def _require_may_manage(by: User, *, touches_owner: bool) -> None:
    if not by.has_perm("users.manage_people"):
        raise NotAllowed("Your role does not let you manage people.")
    if touches_owner and not by.is_owner:
        raise NotAllowed("Only an owner can make, change or remove an owner.")


def _require_another_owner(person: User) -> None:
    if all(owner.pk == person.pk for owner in _locked_owners()):
        raise LastOwner(
            f"{person} is the last owner. Make somebody else an owner first: "
            "a workspace cannot be without one."
        )


def _locked_owners() -> list[User]:
    """The active owners, locked in one order: of two who demote each other at once, one succeeds."""
    return list(User.objects.owners().select_for_update(of=("self",)).order_by("pk"))
