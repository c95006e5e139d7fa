import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tenant_apps.activity.models import Entry
from tenant_apps.products.models import ImportRun, ImportState, Product, ProductImage
from tests.tenant_apps.conftest import LoggedIn
from tests.tenant_apps.products.csv_texts import JEWELERY, MANY_ROWS, csv_text, one


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
    text = csv_text([one(), one(Handle="jug", Title="Krügel", **{"Variant Price": "x"})])
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match="1 products are faulty, so nothing was imported"):
        call_command("import_products", "acme", path, "--apply", "--faulty-rows", faulty)
    assert 'Row 3, Variant Price: "x" is not a price' in capsys.readouterr().err
    assert products(acme) == 0
    assert "jug,Krügel,x," in faulty.read_text(encoding="utf-8-sig")
    with context.run_in(acme):
        run = ImportRun.objects.get()
        assert (run.state, run.report["faulty"]) == (ImportState.REFUSED, 1)
        assert not Entry.objects.about(run).exists()
    call_command("import_products", "acme", path, "--apply", "--skip-faulty")
    assert products(acme) == 1


def test_import_by_command_leaves_a_run_and_a_line_in_the_trail(
    acme: TenantRef, as_role: LoggedIn
) -> None:
    call_command("import_products", "acme", JEWELERY)
    with context.run_in(acme):
        assert not ImportRun.objects.exists(), "a check leaves nothing"
    call_command("import_products", "acme", JEWELERY, "--apply")
    with context.run_in(acme):
        run = ImportRun.objects.get()
        entry = Entry.objects.about(run).get()
    assert (run.state, run.created_by, run.file_name) == ("imported", None, JEWELERY.name)
    assert (entry.verb, entry.actor_email, entry.after["created"]) == (
        *("products.imported", ""),
        20,
    )
    page = as_role("editor").get(f"/products/import/{run.pk}/").content.decode()
    assert "The import is done." in page


@pytest.mark.slow
def test_faulty_rows_are_utf_8_on_any_machine(tmp_path: Path) -> None:
    """Python writes files in the locale's encoding unless it is told."""
    path = tmp_path / "faulty.csv"
    script = (
        "import sys; from pathlib import Path; import django; django.setup()\n"
        "from config.management.commands.import_products import _FaultyRows\n"
        "rows = _FaultyRows(Path(sys.argv[1])); rows.begin(['Gr\\u00f6\\u00dfe'])\n"
        "rows.write([((2, ['K\\u00e4se']), 'x')])"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", script, str(path)]
    subprocess.run(command, env=environment, check=True)
    assert "Größe,What is wrong\r\nKäse,x" in path.read_bytes().decode("utf-8-sig")


@pytest.mark.slow
def test_50_000_rows_by_command(
    acme: TenantRef, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(MANY_ROWS)
    call_command("import_products", acme.hostname, path, "--apply")
    assert "50000 rows, 500 products: 500 were made" in capsys.readouterr().out
    with context.run_in(acme):
        assert ProductImage.objects.count() == 50_000


@pytest.mark.parametrize(
    ("tenant", "content", "sentence"),
    [
        ("acme", b"a,b\n", "are missing"),
        ("acme", b"Handle,Title,Variant Price\nx,\xff,1\n", "line 2 holds the byte 0xFF"),
        ("nobody", b"x", "No tenant is called 'nobody'"),
        ("acme", None, "There is no file"),
        ("acme", b"Handle,Title,Variant Price\n", "a header and no products"),
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
