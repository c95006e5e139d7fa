from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.products.models import Product
from tests.tenant_apps.products.csv_texts import JEWELERY, csv_text, one


def products(tenant: TenantRef) -> int:
    with context.run_in(tenant):
        return Product.objects.count()


def test_check_then_import(
    acme: TenantRef, globex: TenantRef, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_products", "acme", JEWELERY)
    assert "41 rows, 20 products: 20 would be made" in capsys.readouterr().out
    assert products(acme) == 0
    call_command("import_products", "acme", JEWELERY, "--apply")
    assert "20 were made, 0 changed" in capsys.readouterr().out
    assert products(acme) == 20
    assert products(globex) == 0


def test_faulty_file(acme: TenantRef, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, faulty = tmp_path / "p.csv", tmp_path / "faulty.csv"
    path.write_text(csv_text([one(), one(Handle="jug", **{"Variant Price": "x"})]))
    with pytest.raises(CommandError, match="1 products are faulty, so nothing was imported"):
        call_command("import_products", "acme", path, "--apply", "--faulty-rows", faulty)
    assert 'Row 3, Variant Price: "x" is not a price' in capsys.readouterr().err
    assert products(acme) == 0
    assert "jug,Mug,x," in faulty.read_text()
    call_command("import_products", "acme", path, "--apply", "--skip-faulty")
    assert products(acme) == 1


@pytest.mark.parametrize(
    ("tenant", "content", "sentence"),
    [
        ("acme", b"a,b\n", "are missing"),
        ("acme", b"Handle,Title,Variant Price\nx,\xff,1\n", "line 2 holds the byte 0xFF"),
        ("nobody", b"x", "No tenant is called 'nobody'"),
        ("acme", None, "There is no file"),
    ],
)
def test_what_cannot_be_done(
    acme: TenantRef, tmp_path: Path, tenant: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "p.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        call_command("import_products", tenant, path, "--apply")
    assert products(acme) == 0
