"""`manage.py tenants shell acme`."""

import pytest
from django.core.management import CommandError, call_command

from shared_apps.tenants import context, shell
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import TenantNotFound


def test_shell_runs_inside_the_tenant(acme: TenantRef, capsys: pytest.CaptureFixture[str]) -> None:
    shell.open_shell(
        acme,
        command=(
            "from shared_apps.tenants import context; from tests.isolation.probe.models import Note; "
            "print(context.require_tenant().subdomain, Note.objects.count())"
        ),
    )
    assert capsys.readouterr().out.splitlines()[-1] == "acme 0"
    assert context.current_tenant() is None


def test_find_tenant_by_each_of_its_names(acme: TenantRef, globex: TenantRef) -> None:
    hostnames = (acme.hostname, f"{acme.hostname.upper()}.")
    for name in ("acme", "ACME", *hostnames, acme.schema_name, str(acme.uuid), acme.uuid.hex):
        assert shell.find_tenant(name) == acme
        with context.run_in(globex):
            assert shell.find_tenant(name) == acme


def test_find_tenant_that_is_nobodys_says_how_to_find_it(acme: TenantRef) -> None:
    nobodys = ("nobody", "nobody.localhost", "t_000000000000", "")
    for name in (*nobodys, "00000000-0000-7000-8000-000000000000"):
        with pytest.raises(TenantNotFound, match="tenants list"):
            shell.find_tenant(name)


def test_shell_command_works_inside_the_tenant(
    acme: TenantRef, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "from shared_apps.tenants.context import require_tenant; print(require_tenant())"
    call_command("tenants", "shell", "acme", command=code)
    assert "acme" in capsys.readouterr().out


def test_shell_command_says_that_there_is_no_such_tenant(db: None) -> None:
    with pytest.raises(CommandError, match="nobody"):
        call_command("tenants", "shell", "nobody", command="pass")
