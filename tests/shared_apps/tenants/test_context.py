"""The first lock by itself, without a database."""

import contextvars
from uuid import UUID

import pytest

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.errors import NoTenant


def _ref(name: str) -> TenantRef:
    return TenantRef(
        id=1,
        uuid=UUID(int=len(name)),
        schema_name=f"t_{name:a<12}",
        name=name,
        subdomain=name,
        hostname=f"{name}.localhost",
        status="active",
    )


ACME, GLOBEX = _ref("acme"), _ref("globex")


def test_run_in_nests_and_gives_back_what_was_set() -> None:
    assert context.current_tenant() is None
    with context.run_in(ACME) as entered:
        assert entered is ACME is context.require_tenant()
        with context.run_in(GLOBEX):
            assert context.require_tenant() is GLOBEX
            with context.run_in_public():
                assert context.current_tenant() is None
            assert context.require_tenant() is GLOBEX
        assert context.require_tenant() is ACME
    assert context.current_tenant() is None


def test_run_in_gives_back_what_was_set_after_an_error() -> None:
    def fail() -> None:
        with context.run_in(ACME), context.run_in_public():
            raise ValueError("on purpose")

    with context.run_in(GLOBEX):
        with pytest.raises(ValueError, match="on purpose"):
            fail()
        assert context.require_tenant() is GLOBEX


def test_run_in_as_a_decorator_serves_every_call() -> None:
    @context.run_in(ACME)
    def here(depth: int = 0) -> list[str]:
        name = context.require_tenant().subdomain
        return [name] if depth else [name, *here(1)]

    assert here() == ["acme", "acme"]
    assert here() == ["acme", "acme"]
    assert context.current_tenant() is None


def test_run_in_takes_a_row_that_knows_its_reference() -> None:
    class Row:
        ref = ACME

    with context.run_in(Row()):
        assert context.require_tenant() is ACME


def test_require_tenant_without_one_says_what_to_do() -> None:
    with pytest.raises(NoTenant, match="run_in"):
        context.require_tenant()


def test_carry_ties_a_function_to_the_tenant_it_was_made_in() -> None:
    with context.run_in(ACME):
        carried = context.carry(context.current_tenant)
    public = context.carry(context.current_tenant)
    with context.run_in(GLOBEX):
        assert carried() is ACME
        assert public() is None
        assert context.require_tenant() is GLOBEX
    assert contextvars.Context().run(carried) is ACME


def test_carry_keeps_name_and_arguments() -> None:
    def add(first: int, *, second: int) -> int:
        """Adds."""
        return first + second

    carried = context.carry(add)
    assert (carried(1, second=2), carried.__name__, carried.__doc__) == (3, "add", "Adds.")


@pytest.mark.parametrize(
    "name",
    [
        "public",
        "t_",
        "t_abc",
        "t_ABCDEFGHIJKL",
        "t_aaaaaaaaaaa\n",
        't_aaaa";--aaa',
        "x_aaaaaaaaaaaa",
    ],
)
def test_reference_with_a_foreign_schema_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a tenant's schema name"):
        TenantRef(1, UUID(int=1), name, "", "", "", "")
