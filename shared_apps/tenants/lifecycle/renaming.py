"""Another subdomain for a tenant. The old one leads to the new one, and is nobody else's for ever.

The old hostname stays a row among the domains. That row is what keeps the name: names.held_among
looks there, and the unique key of the hostname stands behind it.
"""

from django.db import IntegrityError, transaction
from django.utils import timezone

from shared_apps.domains.models import Domain
from shared_apps.domains.names import (
    HostnameTaken,
    hostname_of,
    normalise_subdomain,
    taken_among,
    taken_sentence,
)
from shared_apps.tenants import context
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.models import NameChange, Status, Tenant

_UNNAMEABLE = frozenset({Status.PROVISIONING, Status.ERASED})


def rename_subdomain(*, tenant: Tenant, subdomain: str, reason: str, by: str) -> Tenant:
    """Give a tenant another subdomain. Safe to repeat: with the name it has, nothing happens.

    A subdomain that the tenant itself had before can be taken back. Cookies belong to one host, so
    people log in again at the new one. Where the tenant's primary domain is one of its own, that
    stays primary.

    Args:
        subdomain: one DNS label, 3 to 40 characters (RFC 1035 section 2.3.1), in any case.
        reason: for the record and the operators.
        by: an operator's e-mail address, or the name of the process.
    Raises:
        SubdomainInvalid: not a DNS label as we take them.
        SubdomainReserved: on the platform's reserved list.
        HostnameTaken: another tenant has it, had it, or is about to have it.
        TenantNotActive: the tenant is still being made, or erased.
        ValueError: the reason is empty.
    Runs in: the public schema. Seen by every process within TERRACE_HOST_CACHE_SECONDS.
    """
    if not reason.strip():
        raise ValueError("Say why: a reason is needed to rename a tenant.")
    subdomain = normalise_subdomain(subdomain)
    with context.run_in_public():
        try:
            with transaction.atomic():
                return _rename(tenant, subdomain, reason=reason.strip(), by=by)
        except IntegrityError as error:
            # Another tenant got there between the question and the write.
            raise HostnameTaken(taken_sentence(subdomain)) from error


def _rename(tenant: Tenant, subdomain: str, *, reason: str, by: str) -> Tenant:
    locked: Tenant = Tenant.objects.select_for_update().get(pk=tenant.pk)
    before = locked.subdomain
    if before == subdomain:
        return locked
    if locked.status in _UNNAMEABLE:
        raise TenantNotActive(
            f"{locked.name} is {locked.get_status_display().lower()} and can't be renamed."
        )
    own = Domain.objects.filter(tenant=locked, domain=hostname_of(subdomain)).first()
    if own is None and taken_among([subdomain]):
        raise HostnameTaken(taken_sentence(subdomain))
    now = timezone.now()
    old = Domain.objects.filter(tenant=locked, domain=hostname_of(before)).first()
    is_primary = old is None or old.is_primary
    locked.subdomain = subdomain
    locked.save(update_fields=["subdomain"])
    if old is not None:
        # Not by save(): django-tenants makes a domain primary where no other is.
        Domain.objects.filter(pk=old.pk).update(is_primary=False, redirects_since=now)
    new = own or Domain(tenant=locked, domain=hostname_of(subdomain))
    new.is_primary = is_primary
    new.verified_at = new.verified_at or now
    new.redirects_since = None
    new.save()
    NameChange.objects.create(tenant=locked, before=before, after=subdomain, reason=reason, by=by)
    locked.primary_hostname = new.domain if is_primary else locked.primary_hostname
    return locked
