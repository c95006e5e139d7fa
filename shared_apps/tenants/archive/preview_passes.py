"""Who may look at a preview: whoever has a pass for it, on its own host, for as long as it is open.

A pass is a signed value that names one preview. It comes once in the address, by a link that only
the tenant's owners and operators are given, and is then kept in a cookie of that host alone.
"""

from typing import Final

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

PARAMETER: Final = "preview_pass"
_SALT: Final = "terrace.archive.preview"
# The link itself; the cookie that follows it lives as long as the preview.
_LINK_SECONDS: Final = 15 * 60


def issue_pass(shown_as: TenantRef) -> str:
    """A pass for this preview. Give it to nobody but the tenant's owners and operators."""
    with context.run_in_public():
        return TimestampSigner(salt=_SALT).sign(shown_as.uuid.hex)


def is_link_pass(value: str, shown_as: TenantRef) -> bool:
    """Whether a pass in an address opens this preview now."""
    return _opens(value, shown_as, max_age=_LINK_SECONDS)


def is_cookie_pass(value: str, shown_as: TenantRef) -> bool:
    """Whether a pass in a cookie does."""
    return _opens(value, shown_as, max_age=settings.TERRACE_PREVIEW_HOURS * 3600)


def cookie_name() -> str:
    """Bound to the host by its prefix, where there is https."""
    name = "terrace_preview"
    return f"__Host-{name}" if settings.SESSION_COOKIE_SECURE else name


def _opens(value: str, shown_as: TenantRef, *, max_age: int) -> bool:
    with context.run_in_public():
        try:
            named = TimestampSigner(salt=_SALT).unsign(value, max_age=max_age)
        except BadSignature:  # an expired one too
            return False
    return named == shown_as.uuid.hex
