"""From a hostname to its tenant, without a query in the steady state.

Two caches stand before the table: one in the process (negative answers too) and one in Redis, shared
by all processes. Both hang on a version that every write to a domain or a tenant's status bumps, so
nothing is deleted by pattern; a process asks Redis for it every few seconds. Redis being gone costs
a query, no more.
"""

import threading
import time
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.cache import cache

from shared_apps.domains.models import Domain
from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

VERSION_KEY = "hosts:version"
SHARED_SECONDS = 300
PROCESS_SECONDS = 60
MAX_ENTRIES = 20_000


class _ProcessCache:
    """host → answer, all of one version. Bounded; safe in threads.

    What it holds is trusted while the version is known to be the newest: for
    TERRACE_HOST_CACHE_SECONDS after the process has asked Redis for it. Then one question for the
    version confirms the answers of all hosts.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, TenantRef | None]] = {}
        self._version: int | None = None
        self._trusted_until = 0.0
        self._lock = threading.Lock()

    def get(self, host: str) -> tuple[bool, TenantRef | None]:
        now = time.monotonic()
        entry = self._entries.get(host)
        if entry is None or now >= self._trusted_until or now >= entry[0]:
            return False, None
        return True, entry[1]

    def confirm(self, version: int) -> None:
        """Trust what was learned under this version, which is the newest; forget what wasn't."""
        with self._lock:
            if version != self._version:
                self._entries.clear()
                self._version = version
            self._trusted_until = time.monotonic() + settings.TERRACE_HOST_CACHE_SECONDS

    def put(self, host: str, tenant: TenantRef | None, *, version: int) -> None:
        """Keep an answer that was found under this version, if that is still the newest."""
        expires = time.monotonic() + PROCESS_SECONDS
        with self._lock:
            if version != self._version:
                return
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.clear()
            self._entries[host] = (expires, tenant)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._version = None
            self._trusted_until = 0.0


_process_cache = _ProcessCache()


def is_public_host(host: str) -> bool:
    """Whether the platform's own pages are served at this (normalised) hostname."""
    return host in settings.TERRACE_PUBLIC_HOSTS


def known_in_process(host: str) -> tuple[bool, TenantRef | None]:
    """What this process knows of a host: (known, tenant). Never waits."""
    return _process_cache.get(host)


def tenant_for_host(host: str) -> TenantRef | None:
    """The tenant that a normalised hostname leads to, whatever its status; None for an unknown one.

    An unverified domain leads nowhere, and neither does an erased tenant's.
    Runs in: the public schema, whatever is set.
    """
    known, tenant = _process_cache.get(host)
    if known:
        return tenant
    with context.run_in_public():
        version = _newest_version()
        _process_cache.confirm(version)
        known, tenant = _process_cache.get(host)
        if not known:
            tenant = _from_shared_cache(host, version=version)
            _process_cache.put(host, tenant, version=version)
    return tenant


def bump_version() -> None:
    """Make every process ask the table again: this one now, others within the process cache's time.

    Runs in: the public schema, whatever is set.
    """
    with context.run_in_public():
        cache.set(VERSION_KEY, time.time_ns(), None)
    _process_cache.clear()


def _newest_version() -> int:
    version: int | None = cache.get(VERSION_KEY)
    if version is None:
        # Redis is empty, or has evicted it. Never fall back to a number that was used before.
        version = time.time_ns()
        if not cache.add(VERSION_KEY, version, None):
            version = int(cache.get(VERSION_KEY) or version)
    return version


def _from_shared_cache(host: str, *, version: int) -> TenantRef | None:
    key = f"hosts:{version}:{host}"
    found: dict[str, Any] | None = cache.get(key)
    if found is not None:
        return TenantRef(**found) if found else None
    tenant = _from_table(host)
    cache.set(key, asdict(tenant) if tenant else {}, SHARED_SECONDS)
    return tenant


def _from_table(host: str) -> TenantRef | None:
    from shared_apps.tenants.models import Status

    domain = (
        Domain.objects.filter(domain=host, verified_at__isnull=False)
        .exclude(tenant__status=Status.ERASED)
        .select_related("tenant")
        .first()
    )
    if domain is None:
        return None
    if domain.is_primary:
        domain.tenant.primary_hostname = domain.domain  # saves the property its query
    ref: TenantRef = domain.tenant.ref
    return ref
