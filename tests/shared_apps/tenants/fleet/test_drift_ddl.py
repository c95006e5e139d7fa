"""The DDL of each difference makes a schema the other's equal, whatever there is in it."""

from __future__ import annotations

import pytest

from shared_apps.tenants.fleet.drift_ddl import explain_differences
from shared_apps.tenants.fleet.drift_grants import Means
from shared_apps.tenants.fleet.drift_model import SchemaDifference
from shared_apps.tenants.postgresql.catalogue import (
    PsycopgConnection,
    describe_schema,
    differences,
    read_catalogue,
)
from tests.shared_apps.tenants.fleet.test_drift_hashes import DIFFERENT

MEANS = Means("terrace_owner")

# What has no DDL, and is told in words.
BY_HAND = {
    "ALTER TABLE shop_product ALTER COLUMN made_on DROP EXPRESSION",
    "ALTER TABLE renamed_table DROP COLUMN last, ADD COLUMN last integer",
}


def _explain(connection: PsycopgConnection, *, release: str = "one") -> list[SchemaDifference]:
    found, wanted = ("two", "one") if release == "one" else ("one", "two")
    return explain_differences(
        read_catalogue(connection, found), read_catalogue(connection, wanted), means=MEANS
    )


def _run(connection: PsycopgConnection, schema: str, *statements: str) -> None:
    connection.execute(f"SET LOCAL search_path = {schema}".encode())
    for statement in statements:
        connection.execute(statement.encode())
    connection.execute("SET LOCAL search_path = pg_catalog")


def _differ(connection: PsycopgConnection) -> list[str]:
    first, second = (describe_schema(connection, name) for name in ("one", "two"))
    return [str(difference) for difference in differences(first, second)]


def _mend(connection: PsycopgConnection, schema: str, found: list[SchemaDifference]) -> None:
    _run(connection, schema, *(one for difference in found for one in difference.statements))


@pytest.mark.parametrize("change", DIFFERENT)
def test_changed_schema_is_mended(twins: PsycopgConnection, change: str) -> None:
    _run(twins, "two", change)
    found = _explain(twins)
    assert found
    if change in BY_HAND:
        assert any(difference.by_hand for difference in found)
        return
    assert all(difference.statements for difference in found), found
    _mend(twins, "two", found)
    assert _differ(twins) == []


# Where only the release has it: what a template can hold, so without views, triggers and the like.
_ONLY_ELSEWHERE = ("VIEW", "FUNCTION", "TYPE mood", "TRIGGER", "RULE", "POLICY", "STATISTICS together",
                   "INHERITS", "REPLICA", "CLUSTER", "ROW LEVEL")  # fmt: skip


@pytest.mark.parametrize(
    "change", [one for one in DIFFERENT if not any(word in one for word in _ONLY_ELSEWHERE)]
)
def test_schema_follows_a_changed_release(twins: PsycopgConnection, change: str) -> None:
    """The same the other way round: what was lost is made, what was made is lost."""
    _run(twins, "two", change)
    found = _explain(twins, release="two")
    assert found
    if change in BY_HAND or "DROP EXPRESSION" in change:
        return
    assert all(difference.statements for difference in found), found
    _mend(twins, "one", found)
    assert _differ(twins) == []


def test_every_line_that_differs_belongs_to_one_difference(twins: PsycopgConnection) -> None:
    _run(twins, "two", "DROP TABLE shop_product CASCADE", "CREATE TABLE more (id serial UNIQUE)")
    first, second = (read_catalogue(twins, name).describe() for name in ("one", "two"))
    keys = [key for difference in _explain(twins) for key in difference.keys]
    assert len(keys) == len(set(keys)) == len(differences(first, second))


def test_equal_schemas_have_no_difference(twins: PsycopgConnection) -> None:
    assert _explain(twins) == []


def test_what_no_rule_knows_is_told_all_the_same(twins: PsycopgConnection) -> None:
    _run(twins, "two", 'CREATE COLLATION plain FROM pg_catalog."C"')
    [difference] = _explain(twins)
    assert (difference.kind, difference.object) == ("other", "collation plain")
    assert "by hand" in difference.by_hand


@pytest.mark.parametrize(
    ("change", "is_safe"),
    [
        ("ALTER TABLE z_last ALTER COLUMN a_id TYPE integer", True),
        ("ALTER TABLE shop_product ALTER COLUMN kind TYPE text", True),
        ("ALTER TABLE renamed_table ALTER COLUMN last TYPE text", False),
        ("ALTER TABLE renamed_table ALTER COLUMN last TYPE numeric", False),
        ("ALTER TABLE renamed_table ALTER COLUMN last TYPE double precision", False),
        ("ALTER TABLE shop_product ALTER COLUMN kind TYPE char(9)", False),
    ],
)
def test_type_that_could_change_values_is_named(
    twins: PsycopgConnection, change: str, is_safe: bool
) -> None:
    _run(twins, "two", "DROP INDEX plain", "DROP INDEX by_case", change)
    found = [one for one in _explain(twins) if "type" in one.kind]
    assert [bool(one.loss) for one in found] == [not is_safe]
