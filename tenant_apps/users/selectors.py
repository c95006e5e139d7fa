"""Reads across people and their addresses. Each runs in the tenant's schema."""

from allauth.account.models import EmailAddress
from django.db.models import Q

from tenant_apps.users.models import User
from tenant_apps.users.permissions import OWNER


def people_at(email: str) -> list[User]:
    """The people whom an address belongs to: who has proven it, else whoever has given it.

    As allauth's `filter_users_by_email`, in two statements for every address: allauth saves one where
    the address is known, and the time would tell.
    """
    email = email.lower()
    given = list(EmailAddress.objects.filter(email=email).select_related("user__role"))
    own = list(User.objects.filter(email=email).select_related("role"))
    proven = [address.user for address in given if address.verified]
    found = proven or [*(address.user for address in given), *own]
    return list({person.pk: person for person in found}.values())


def people_who_may(permission: str) -> list[User]:
    """The active people whose role grants a permission, with their roles. One statement."""
    granting = Q(role__slug=OWNER) | Q(role__permissions__contains=[permission])
    return list(User.objects.active().filter(granting).select_related("role"))
