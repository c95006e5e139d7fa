"""The operators' way past a maintenance page: a signed link that ends by itself.

The link leads to /maintenance/<token> on the tenant's host, which keeps the token in a cookie of that
host alone. Token and cookie are signed in the tenant (shared_apps/tenants/signing.py puts its uuid
into the salt), so on another tenant's host they are nothing. Checking one asks no database.
"""

import logging
import time
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from shared_apps.domains.addresses import tenant_url
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

logger = logging.getLogger(__name__)

PATH: Final = "/maintenance/"
LIFE: Final = timedelta(hours=1)
LONGEST_LIFE: Final = timedelta(hours=12)
_SALT = "terrace.maintenance"


def make_bypass_link(*, tenant: TenantRef | context.HasRef, by: str, life: timedelta = LIFE) -> str:
    """A link that lets its reader see the tenant's pages while it is in maintenance.

    It signs nobody in: its reader is a visitor, or who they log in as. Outside of maintenance it
    opens nothing.

    Args:
        by: an operator's e-mail address, for the log.
        life: how long link and cookie work, 12 hours at most.
    Raises:
        ValueError: it is to live longer, or not at all.
    Runs in: no schema; asks the database for the hostname where it isn't known.
    """
    if not timedelta(0) < life <= LONGEST_LIFE:
        raise ValueError(f"A bypass link lives up to {LONGEST_LIFE}, not {life}.")
    ref = tenant if isinstance(tenant, TenantRef) else tenant.ref
    with context.run_in(ref):
        until = int(time.time() + life.total_seconds())
        token = signing.dumps({"by": by, "until": until}, salt=_SALT)
    logger.info("A maintenance bypass for %s was made by %s", ref, by)
    return tenant_url(ref.hostname, f"{PATH}{token}")


def open_bypass(request: HttpRequest, tenant: TenantRef) -> HttpResponse | None:
    """The answer to a bypass link: the first page, with the cookie. None for every other request,
    and for a token that is forged, of another tenant, or too old."""
    if not request.path.startswith(PATH):
        return None
    token = request.path.removeprefix(PATH)
    left = _seconds_left(token, tenant)
    if not left:
        return None
    response = HttpResponseRedirect("/")
    response.set_cookie(
        settings.TERRACE_BYPASS_COOKIE_NAME,
        token,
        max_age=left,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def has_bypass(request: HttpRequest, tenant: TenantRef) -> bool:
    """Whether the request comes with the cookie of a bypass link of this tenant."""
    token = request.COOKIES.get(settings.TERRACE_BYPASS_COOKIE_NAME)
    return token is not None and _seconds_left(token, tenant) > 0


def _seconds_left(token: str, tenant: TenantRef) -> int:
    try:
        with context.run_in(tenant):
            content = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return 0
    return max(0, int(content["until"] - time.time()))
