"""A release on copies of tenants: what it would lock and rewrite, and nothing left of it."""

import pytest

from shared_apps.tenants.fleet import rehearsal
from shared_apps.tenants.fleet.plans import Target
from shared_apps.tenants.fleet.rehearsal import NobodyToRehearse, rehearse_release
from shared_apps.tenants.postgresql.catalogue import describe_schema
from shared_apps.tenants.schemas import owner_transaction
from tests.shared_apps.tenants.fleet.conftest import bring

pytestmark = pytest.mark.usefixtures("unblocked")
BEFORE, AFTER = "0006_not_atomic", "0007_alter_fields"


def _shadows() -> list[str]:
    with owner_transaction() as owner:
        found = owner.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^r_'")
        return [name for (name,) in found.fetchall()]


def _plant(schema: str) -> None:
    with owner_transaction() as owner:
        owner.execute(f"SET LOCAL search_path = {schema}")
        owner.execute("DELETE FROM specimen_book; DELETE FROM specimen_shelf")
        owner.execute("INSERT INTO specimen_shelf (id, name) VALUES (1, 'low')")
        owner.execute(
            "INSERT INTO specimen_book (title, pages, colour, year, ticket, shelf_id)"
            " SELECT 'Book ' || n, n, '', 1900, gen_random_uuid(), 1 FROM generate_series(1, 25) n"
        )


def test_locks_and_rewritten_rows_are_told_and_the_tenant_is_as_it_was(trio: list[str]) -> None:
    bring(trio, BEFORE)
    _plant(trio[0])
    with owner_transaction() as owner:
        before = describe_schema(owner, trio[0])
    [found] = rehearse_release(target=Target("specimen", AFTER), only=["uno"])
    assert found.error == ""
    assert (found.tenant, found.rows > 25, found.bytes > 0) == ("uno", True, True)
    [step] = found.steps
    assert step.migration == f"specimen.{AFTER}"
    assert step.locks == {"specimen_book": "AccessExclusiveLock"}
    assert step.rewritten == {"specimen_book": 25}  # integer to bigint
    with owner_transaction() as owner:
        assert describe_schema(owner, trio[0]) == before
    assert _shadows() == []


def test_index_alone_rewrites_nothing(trio: list[str]) -> None:
    bring(trio, "0001_initial")
    [found] = rehearse_release(target=Target("specimen", "0002_add_field_and_index"), only=["due"])
    [step] = found.steps
    assert step.rewritten == {}
    assert "specimen_book" in step.locks


def test_release_that_would_fail_says_so_and_leaves_nothing(trio: list[str]) -> None:
    bring(trio, "0007_alter_fields")
    with owner_transaction() as owner:
        owner.execute(f"SET LOCAL search_path = {trio[1]}")
        owner.execute(
            "INSERT INTO specimen_shelf (id, name) VALUES (90, 'x');"
            "INSERT INTO specimen_book (heading, pages, colour, year, ticket, shelf_id)"
            " VALUES ('x', -5, '', 1, gen_random_uuid(), 90)"
        )
    try:
        [found] = rehearse_release(
            target=Target("specimen", "0008_constraints_and_many"), only=["due"]
        )
        assert "specimen_pages_not_negative" in found.error
        assert _shadows() == []
    finally:
        with owner_transaction() as owner:
            owner.execute(f"DELETE FROM {trio[1]}.specimen_book WHERE shelf_id = 90".encode())


def test_copies_that_a_killed_rehearsal_left_are_dropped_by_the_next(trio: list[str]) -> None:
    with owner_transaction() as owner:
        owner.execute("CREATE SCHEMA r_aaaaaaaaaaaa")
        owner.execute("CREATE SCHEMA r_no_copy")
    try:
        rehearse_release(target=Target("specimen"), only=["uno"])
        assert _shadows() == ["r_no_copy"]
    finally:
        with owner_transaction() as owner:
            owner.execute("DROP SCHEMA r_no_copy")


def test_unknown_tenant_is_refused() -> None:
    with pytest.raises(NobodyToRehearse, match="called nobody"):
        rehearse_release(only=["nobody"])


def test_only_copies_are_dropped() -> None:
    with pytest.raises(ValueError, match="not a rehearsal's copy"):
        rehearsal._drop("public")
