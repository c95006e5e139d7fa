"""Keys that carry the tenant."""

from typing import Any

import pytest
from django.core.cache import cache

from shared_apps.tenants import context
from shared_apps.tenants.cache import make_key, reverse_key
from shared_apps.tenants.context import TenantRef


def test_key_names_its_tenant_before_anything_the_caller_says(acme: TenantRef) -> None:
    with context.run_in(acme):
        assert make_key("a:b", "terrace", 1) == f"terrace:{acme.uuid.hex}:1:a:b"
    assert make_key("a:b", "terrace", 1) == "terrace:public:1:a:b"


@pytest.mark.parametrize("key", ["a", "a:b", ":", "", "public:1:a", "*"])
def test_key_is_given_back_as_it_was_named(key: str, acme: TenantRef) -> None:
    with context.run_in(acme):
        assert reverse_key(make_key(key, "terrace", 2)) == key


def test_clear_takes_a_prefix_with_signs_of_a_pattern_by_the_letter(
    acme: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: Any = cache
    with context.run_in(acme):
        cache.set("kept", 1)
        monkeypatch.setattr(other._connections[other._alias], "key_prefix", "terr?ce")
        cache.set("gone", 1)
        cache.clear()
        assert cache.get("gone") is None
        monkeypatch.undo()
        assert cache.get("kept") == 1
