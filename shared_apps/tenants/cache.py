"""Cache keys that carry the tenant, and a cache whose clear() empties one tenant's part alone."""

from typing import Any

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
