"""Which subdomain a workspace may have, and what to propose.

One DNS label (RFC 1035 section 2.3.1): a letter first, then letters, digits and hyphens, no hyphen
last. No hyphens in the third and fourth place: those are kept for internationalised names
(RFC 5891 section 4.2.3.1). The messages of the errors are shown to customers as they are.
"""

import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils.text import slugify

from shared_apps.domains.models import Domain
from shared_apps.tenants import context
from shared_apps.tenants.models import (
    ArchiveImport,
    Provisioning,
    ProvisioningState,
    RestoreState,
    Tenant,
)

MIN_LENGTH: Final = 3
MAX_LENGTH: Final = 40
# Previews of backups live at <subdomain>--preview (shared_apps/tenants/archive/undo.py).
PREVIEW_ENDING: Final = "--preview"
_SHAPE = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
_NUMBERED = re.compile(r"(www|ns|mx|mail|smtp|imap|pop|web|api|app|cdn|static|dns)\d*")
_UNDER_WAY = (ProvisioningState.PENDING, ProvisioningState.PROVISIONING)

RESERVED: Final = frozenset(
    line
    for line in Path(__file__).with_name("reserved_subdomains.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)


class SubdomainRefused(ValueError):
    """A workspace can't have this subdomain. The message tells the customer why and what to do."""


class SubdomainInvalid(SubdomainRefused):
    """It is not a DNS label as we take them."""


class SubdomainReserved(SubdomainRefused):
    """The platform keeps it for itself."""


class HostnameTaken(SubdomainRefused):
    """Another tenant has it, had it, or is about to have it."""


def normalise_subdomain(raw: str) -> str:
    """The subdomain in lower case, without spaces around it.

    Args:
        raw: one DNS label of 3 to 40 characters, as somebody typed it.
    Raises:
        SubdomainInvalid: too short, too long, or not a DNS label.
        SubdomainReserved: on the platform's reserved list.
    """
    subdomain = raw.strip().lower()
    if len(subdomain) < MIN_LENGTH:
        raise SubdomainInvalid(
            f"This address is too short. Use {MIN_LENGTH} to {MAX_LENGTH} characters."
        )
    if len(subdomain) > MAX_LENGTH:
        raise SubdomainInvalid(
            f"This address has {len(subdomain)} characters. Use at most {MAX_LENGTH}."
        )
    if not subdomain.isascii():
        raise SubdomainInvalid(
            "This address has letters that not every program can send. Use a to z, digits and "
            "hyphens; your name on the pages can have any letters."
        )
    if subdomain[2:4] == "--":
        raise SubdomainInvalid(
            "An address with two hyphens after its second letter (like xn--…) is kept for "
            "internationalised names. Use a to z, digits and single hyphens."
        )
    if not _SHAPE.fullmatch(subdomain):
        raise SubdomainInvalid(
            "An address begins with a letter, ends with a letter or a digit, and has only a to z, "
            "0 to 9 and hyphens in it. Take the other characters out."
        )
    if _is_reserved(subdomain):
        raise SubdomainReserved(
            f"“{subdomain}” is kept for the platform itself. Choose another address."
        )
    return subdomain


def check_subdomain(raw: str) -> str:
    """The normalised subdomain, if a new tenant could have it now.

    Raises:
        SubdomainInvalid: not a DNS label as we take them.
        SubdomainReserved: on the platform's reserved list.
        HostnameTaken: another tenant has it, had it, or is about to have it.
    Runs in: the public schema, whatever is set.
    """
    subdomain = normalise_subdomain(raw)
    if taken_among([subdomain]):
        raise HostnameTaken(taken_sentence(subdomain))
    return subdomain


def taken_sentence(subdomain: str) -> str:
    """What a customer is told who wants a name that is gone."""
    return f"“{hostname_of(subdomain)}” is already taken. Choose another address."


def hostname_of(subdomain: str) -> str:
    """The hostname below the platform's base domain."""
    return f"{subdomain}.{settings.TERRACE_BASE_DOMAIN}"


def taken_among(subdomains: Iterable[str]) -> set[str]:
    """Those that a tenant has or had, or that a sign-up under way has reserved.

    Runs in: the public schema, whatever is set.
    """
    names = list(subdomains)
    with context.run_in_public():
        under_way = Provisioning.objects.filter(subdomain__in=names, state__in=_UNDER_WAY)
        return held_among(names) | set(under_way.values_list("subdomain", flat=True))


def held_among(subdomains: Iterable[str]) -> set[str]:
    """Those that a tenant has or had, whose hostname one has as a domain, or that an import takes.

    Runs in: the public schema, whatever is set.
    """
    by_host = {hostname_of(subdomain): subdomain for subdomain in subdomains}
    with context.run_in_public():
        tenants = Tenant.objects.filter(subdomain__in=by_host.values()).values_list("subdomain")
        domains = Domain.objects.filter(domain__in=by_host).values_list("domain")
        imports = ArchiveImport.objects.filter(subdomain__in=by_host.values()).exclude(
            state__in=[RestoreState.DONE, RestoreState.UNDONE]
        )
        found = tenants.order_by().union(
            domains.order_by(), imports.order_by().values_list("subdomain"), all=True
        )
        return {by_host.get(name, name) for (name,) in found}


def suggest_subdomain(name: str) -> str:
    """A free subdomain that reminds of the name: `Söhne & Co.` becomes `sohne-co`.

    Args:
        name: what the customer calls the organisation, in any script.
    Runs in: the public schema, whatever is set.
    """
    stem = re.sub(r"-{2,}", "-", slugify(name).replace("_", "-")).strip("-")
    if not stem or not stem[0].isalpha():
        stem = f"team-{stem}".strip("-")
    candidates = [stem, *(f"{stem[:30].rstrip('-')}-{end}" for end in ("hq", "team", 2, 3, 4, 5))]
    usable = [name for name in map(_shortened, candidates) if name is not None]
    taken = taken_among(usable)
    free = (name for name in usable if name not in taken)
    fallback = f"{stem[:30].rstrip('-')}-{secrets.randbelow(9000) + 1000}"
    return next(free, None) or _shortened(fallback) or f"team-{secrets.randbelow(9000) + 1000}"


def _shortened(candidate: str) -> str | None:
    try:
        return normalise_subdomain(candidate[:MAX_LENGTH].rstrip("-"))
    except SubdomainRefused:
        return None


def _is_reserved(subdomain: str) -> bool:
    return (
        subdomain in RESERVED
        or subdomain in settings.TERRACE_RESERVED_SUBDOMAINS
        or _NUMBERED.fullmatch(subdomain) is not None
        or subdomain.endswith(PREVIEW_ENDING)
    )
