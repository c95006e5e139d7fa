"""From a hostname to its tenant, without a query in the steady state.

Two caches stand before the table: one in the process (negative answers too) and one in Redis, shared
by all processes. Both hang on a version that every write to a domain or a tenant's status bumps, so
nothing is deleted by pattern; a process asks Redis for it every few seconds. Redis being gone costs
a query, no more.
"""

import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core.cache import cache

from shared_apps.domains.models import Domain
from shared_apps.tenants import context
from shared_apps.tenants.cache import remove_public_keys
from shared_apps.tenants.context import TenantRef

VERSION_KEY = "hosts:version"
SHARED_SECONDS = 300
PROCESS_SECONDS = 60
MAX_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class Moved:
    """A hostname that a tenant had before. `hostname` is where it lives now, without port."""

    hostname: str


Answer = TenantRef | Moved | None


class _ProcessCache:
    """host → answer, all of one version. Bounded; safe in threads.

    What it holds is trusted while the version is known to be the newest: for
    TERRACE_HOST_CACHE_SECONDS after the process has asked Redis for it. Then one question for the
    version confirms the answers of all hosts.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, Answer]] = {}
        self._version: int | None = None
        self._trusted_until = 0.0
        self._lock = threading.Lock()

    def get(self, host: str) -> tuple[bool, Answer]:
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

    def put(self, host: str, answer: Answer, *, version: int) -> None:
        """Keep an answer that was found under this version, if that is still the newest."""
        expires = time.monotonic() + PROCESS_SECONDS
        with self._lock:
            if version != self._version:
                return
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.clear()
            self._entries[host] = (expires, answer)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._version = None
            self._trusted_until = 0.0


_process_cache = _ProcessCache()


def is_public_host(host: str) -> bool:
    """Whether the platform's own pages are served at this (normalised) hostname."""
    return host in settings.TERRACE_PUBLIC_HOSTS


def known_in_process(host: str) -> tuple[bool, Answer]:
    """What this process knows of a host: (known, answer). Never waits."""
    return _process_cache.get(host)


def tenant_for_host(host: str) -> TenantRef | None:
    """The tenant that is at home at a normalised hostname, whatever its status; None for others.

    Runs in: the public schema, whatever is set.
    """
    answer = answer_for_host(host)
    return answer if isinstance(answer, TenantRef) else None


def answer_for_host(host: str) -> Answer:
    """Where a normalised hostname leads: to a tenant, whatever its status, or to the hostname that
    its tenant has now; None for an unknown one.

    An unverified domain leads nowhere, and neither does an erased tenant's.
    Runs in: the public schema, whatever is set.
    """
    known, answer = _process_cache.get(host)
    if known:
        return answer
    with context.run_in_public():
        version = _newest_version()
        _process_cache.confirm(version)
        known, answer = _process_cache.get(host)
        if not known:
            answer = _from_shared_cache(host, version=version)
            _process_cache.put(host, answer, version=version)
    return answer


def bump_version() -> None:
    """Make every process ask the table again: this one now, others within the process cache's time.

    Runs in: the public schema, whatever is set.
    """
    with context.run_in_public():
        cache.set(VERSION_KEY, time.time_ns(), None)
    _process_cache.clear()


def forget_in_redis(hosts: list[str]) -> int:
    """Delete what Redis keeps of these hosts under versions that nobody asks for any more.

    It would end by itself within SHARED_SECONDS. Returns how many keys there were.
    Raises:
        redis.RedisError: Redis can't be asked.
    """
    return remove_public_keys([_shared_key(host, "*") for host in hosts])


def _newest_version() -> int:
    version: int | None = cache.get(VERSION_KEY)
    if version is None:
        # Redis is empty, or has evicted it. Never fall back to a number that was used before.
        version = time.time_ns()
        if not cache.add(VERSION_KEY, version, None):
            version = int(cache.get(VERSION_KEY) or version)
    return version


def _shared_key(host: str, version: int | str | None) -> str:
    # The shape of what is kept has changed once: a release that knows the older one must not read it.
    return f"hosts:2:{version}:{host}"


def _from_shared_cache(host: str, *, version: int) -> Answer:
    key = _shared_key(host, version)
    found: dict[str, Any] | None = cache.get(key)
    if found is not None:
        return _revived(found)
    answer = _from_table(host)
    cache.set(key, asdict(answer) if answer else {}, SHARED_SECONDS)
    return answer


def _revived(kept: dict[str, Any]) -> Answer:
    if not kept:
        return None
    return Moved(**kept) if kept.keys() == {"hostname"} else TenantRef(**kept)


def _from_table(host: str) -> Answer:
    from shared_apps.domains.names import hostname_of
    from shared_apps.tenants.models import Status

    domain = (
        Domain.objects.filter(domain=host, verified_at__isnull=False)
        .exclude(tenant__status=Status.ERASED)
        .select_related("tenant")
        .first()
    )
    if domain is None:
        return None
    if domain.redirects_since is not None:
        return Moved(hostname_of(domain.tenant.subdomain))
    if domain.is_primary:
        domain.tenant.primary_hostname = domain.domain  # saves the property its query
    ref: TenantRef = domain.tenant.ref
    return ref
