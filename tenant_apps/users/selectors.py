"""Reads across people and their addresses. Each runs in the tenant's schema."""

from allauth.account.models import EmailAddress

from tenant_apps.users.models import User


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
