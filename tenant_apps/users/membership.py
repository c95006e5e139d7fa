"""Who belongs to the workspace, and with which role. Each verb runs in the tenant's schema."""

from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Q
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
from tenant_apps.users.roles import require_may_give


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
        NotAllowed: `by` may not manage people, or one of the two roles may do more than theirs.
        LastOwner: the person is the only active owner.
    """
    with transaction.atomic():
        # The row's role, not the one that the caller loaded a while ago.
        before = _locked_role(person)
        require_may_give(by=by, role=before)
        require_may_give(by=by, role=role)
        person.role = before
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
        # The heir and all owners in one order, as change_role locks them; then as they are now.
        _locked_role(person)
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


def deactivate_person(*, person: User, by: User) -> User:
    """Shut a person out and keep what they wrote. People may leave by themselves.

    Raises:
        NotAllowed: `by` may not manage people, or the person may do more than `by`.
        LastOwner: the person is the only active owner.
    """
    with transaction.atomic():
        person.role = _locked_role(person)
        if person.pk != by.pk:
            require_may_give(by=by, role=person.role)
        if person.is_owner:
            _require_another_owner(person)
        person.is_active = False
        person.deactivated_at = timezone.now()
        person.deactivated_by = by
        person.save(update_fields=["is_active", "deactivated_at", "deactivated_by"])
        trail.record(verb="person.deactivated", subject=person, actor=by)
    return person


def reactivate_person(*, person: User, by: User) -> User:
    """Let a person in again with the role they had. Raises NotAllowed, as change_role."""
    with transaction.atomic():
        person.role = _locked_role(person)
        require_may_give(by=by, role=person.role)
        person.is_active = True
        person.deactivated_at = None
        person.deactivated_by = None
        person.save(update_fields=["is_active", "deactivated_at", "deactivated_by"])
        trail.record(verb="person.reactivated", subject=person, actor=by)
    return person


def leave(*, person: User) -> User:
    """A person leaves the workspace. Raises LastOwner."""
    return deactivate_person(person=person, by=person)


def _locked_role(person: User) -> Role:
    """The person's role as the row has it, with the row and all owners locked.

    In one order, so that two owners who demote each other at once cannot both succeed, and neither
    waits for the other for ever.
    """
    # Without a join: after waiting for a lock PostgreSQL looks again whether a row fits, with the role
    # of before, and leaves out one whose role was changed meanwhile.
    owner_role = Role.objects.only("pk").get(slug=OWNER)
    people = User.objects.filter(Q(pk=person.pk) | Q(is_active=True, role_id=owner_role.pk))
    rows = {row.pk: row for row in people.select_for_update().order_by("pk")}
    role: Role = Role.objects.get(pk=rows[person.pk].role_id)
    return role


def _require_another_owner(person: User) -> None:
    # The owners are locked by _locked_role.
    if not User.objects.owners().exclude(pk=person.pk).exists():
        raise LastOwner(
            f"{person} is the last owner. Make somebody else an owner first: "
            "a workspace cannot be without one."
        )


def _locked_owners() -> list[User]:
    """The active owners, locked in one order: of two who demote each other at once, one succeeds."""
    return list(User.objects.owners().select_for_update(of=("self",)).order_by("pk"))
