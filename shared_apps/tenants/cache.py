"""Cache keys that carry the tenant, and a cache whose clear() empties one tenant's part alone."""

from typing import Any
from uuid import UUID

from django.core.cache import caches
from django_redis.cache import RedisCache, omit_exception
from django_redis.util import CacheKey

from shared_apps.tenants import context

PUBLIC = "public"
# What has a meaning in Redis' glob patterns (https://valkey.io/commands/keys/).
_GLOB = str.maketrans({character: f"\\{character}" for character in "\\*?[]"})


def make_key(key: str, key_prefix: str, version: int | str) -> str:
    """`prefix:tenant:version:key`. The first three hold no colon, so no key can reach across."""
    tenant = context.current_tenant()
    return f"{key_prefix}:{tenant.uuid.hex if tenant else PUBLIC}:{version}:{key}"


def reverse_key(key: str) -> str:
    """The key as the caller named it."""
    return key.split(":", 3)[3]


class TenantRedisCache(RedisCache):  # type: ignore[misc]
    """django-redis, with clear() kept to the tenant that is set (or to the public part)."""

    @omit_exception  # type: ignore[untyped-decorator]  # django-redis has no types
    def clear(self) -> Any:
        """Delete this tenant's keys of all versions, found by SCAN. The other tenants' stay."""
        own = make_key("*", self.key_prefix.translate(_GLOB), "*")
        return self.client.delete_pattern(CacheKey(own), itersize=1000)


_BATCH = 1000


def count_keys(uuid: UUID) -> int:
    """How many keys of this tenant are in the cache: its sessions and throttles too.

    Raises:
        redis.RedisError: Redis can't be asked. Here that is not passed over.
    """
    return len(_keys_like(f"{uuid.hex}:*"))


def remove_keys(uuid: UUID) -> int:
    """Delete all keys of this tenant. Returns how many there were. Raises as count_keys does."""
    return _remove(_keys_like(f"{uuid.hex}:*"))


def remove_public_keys(patterns: list[str]) -> int:
    """Delete keys of the public part, of all versions. Raises as count_keys does.

    Args:
        patterns: keys as the caller named them, in Redis' glob patterns.
    """
    found: set[bytes] = set()
    for pattern in patterns:
        found |= _keys_like(f"{PUBLIC}:*:{pattern}")
    return _remove(found)


def _keys_like(pattern: str) -> set[bytes]:
    prefix = str(caches["default"].key_prefix).translate(_GLOB)
    # SCAN may give a key twice.
    return set(_client().scan_iter(match=f"{prefix}:{pattern}", count=_BATCH))


def _remove(keys: set[bytes]) -> int:
    client, waiting, removed = _client(), list(keys), 0
    while waiting:
        batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
        removed += int(client.unlink(*batch))
    return removed


def _client() -> Any:
    cache: Any = caches["default"]
    return cache.client.get_client(write=True)
