"""Who wrote there, and who that is here. Runs in the tenant's schema."""

from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from tenant_apps.articles.moving_in.records import WriterRecord
from tenant_apps.slugs import slug_from
from tenant_apps.users import membership
from tenant_apps.users.models import Role, User
from tenant_apps.users.permissions import AUTHOR

_NAME_LENGTH = 150


def people_here(writers: Mapping[str, WriterRecord]) -> dict[str, User]:
    """The writers who belong to the workspace, by their keys: those whose address somebody here has."""
    addresses = {key: address_of(writer) for key, writer in writers.items()}
    rows = User.objects.select_related("role").filter(email__in=set(addresses.values()))
    found = {user.email.lower(): user for user in rows}
    return {key: found[address] for key, address in addresses.items() if address in found}


def can_let_in(by: User) -> bool:
    """Whether writers who are not here may be made people by whoever moves them in."""
    return by.has_perm("users.manage_people")


def let_in(writer: WriterRecord, *, by: User) -> User:
    """Make a writer a person who cannot log in: their name stands at what they wrote. Whoever manages
    people may let them in for good later. Nobody is written to.

    Raises:
        NotAllowed: `by` may not manage people.
    """
    with transaction.atomic():
        person = membership.add_person(
            email=address_of(writer),
            full_name=(writer.name or writer.key)[:_NAME_LENGTH],
            role=Role.objects.get(slug=AUTHOR),
            password=None,
            email_confirmed=False,
            by=by,
        )
        return membership.deactivate_person(person=person, by=by)


def address_of(writer: WriterRecord) -> str:
    """The writer's address; where the file has none that could be one, one that nobody can have
    (RFC 2606, section 2)."""
    try:
        validate_email(writer.email)
    except ValidationError:
        name = slug_from(writer.key or writer.name, max_length=60) or "writer"
        return f"{name}@moved.invalid"
    return writer.email.lower()[:254]
