"""Signatures, where no tenant is set, are Django's own."""

import subprocess
import sys

from django.conf import settings
from django.core import signing

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef

STOCK = """
from django.conf import settings
settings.configure(SECRET_KEY={key!r})
from django.core import signing
print(signing.Signer(salt="a").sign("x"))
"""


def test_public_signature_is_djangos_own() -> None:
    """So that links in letters of the platform outlive this engine, and the other way round."""
    stock = subprocess.run(
        [sys.executable, "-c", STOCK.format(key=settings.SECRET_KEY)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert signing.Signer(salt="a").sign("x") == stock


def test_signature_of_a_tenant_outlives_a_rotated_key(acme: TenantRef, settings: object) -> None:
    with context.run_in(acme):
        signed = signing.dumps("x")
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]
        settings.SECRET_KEY = "another" * 8  # type: ignore[attr-defined]
        assert signing.loads(signed) == "x"


def test_signer_itself_is_not_changed(acme: TenantRef) -> None:
    signer = signing.Signer(salt="a")
    before = dict(signer.__dict__)
    with context.run_in(acme):
        signer.sign("x")
    assert signer.__dict__ == before
