"""Text that one tenant can read alone."""

import pytest
from pytest_django import Settings

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.encryption import decrypt_text, encrypt_text
from shared_apps.tenants.errors import NoTenant, TextUnreadable

SECRET = "JBSWY3DPEHPK3PXP"


def test_text_is_read_where_it_was_written_and_nowhere_else(
    acme: TenantRef, globex: TenantRef
) -> None:
    with context.run_in(acme):
        kept = encrypt_text(SECRET, purpose="a factor")
        assert SECRET not in kept
        assert kept != encrypt_text(SECRET, purpose="a factor")
        assert decrypt_text(kept, purpose="a factor") == SECRET
        with pytest.raises(TextUnreadable):
            decrypt_text(kept, purpose="something else")
        with pytest.raises(TextUnreadable):
            decrypt_text(f"{kept[:-6]}AAAA==", purpose="a factor")
        with pytest.raises(TextUnreadable):
            decrypt_text(SECRET, purpose="a factor")
    with context.run_in(globex), pytest.raises(TextUnreadable):
        decrypt_text(kept, purpose="a factor")
    with pytest.raises(NoTenant):
        decrypt_text(kept, purpose="a factor")
    with pytest.raises(NoTenant):
        encrypt_text(SECRET, purpose="a factor")


def test_text_outlives_a_change_of_the_secret_key(acme: TenantRef, settings: Settings) -> None:
    old = settings.SECRET_KEY
    with context.run_in(acme):
        kept = encrypt_text(SECRET, purpose="a factor")
        settings.SECRET_KEY = "another-" + "0123456789abcdef" * 4
        with pytest.raises(TextUnreadable):
            decrypt_text(kept, purpose="a factor")
        settings.SECRET_KEY_FALLBACKS = [old]
        assert decrypt_text(kept, purpose="a factor") == SECRET
