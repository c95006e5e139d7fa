"""A migration of each kind, there and back: the fleet's result is Django's own.

Of three tenants two are migrated by the fleet (one of them is the canary, the other gets the record)
and one by Django's executor. Catalogue, migrations table and rows have to be the same.
"""

from itertools import pairwise

import pytest
from django.db import models

from shared_apps.tenants.fleet.plans import Target
from shared_apps.tenants.fleet.runs import Rules, fleet_alone, groups_behind, run_fleet
from shared_apps.tenants.postgresql.catalogue import describe_schema, table_names
from shared_apps.tenants.schemas import owner_transaction
from tests.shared_apps.tenants.fleet.conftest import bring

pytestmark = pytest.mark.usefixtures("unblocked")

NAMES = [
    "0001_initial",
    "0002_add_field_and_index",
    "0003_called_default",
    "0004_run_python",
    "0005_run_sql",
    "0006_not_atomic",
    "0007_alter_fields",
    "0008_constraints_and_many",
    "0009_rename_models",
    "0010_custom_operation",
    "0011_state_apart",
    "0012_remove_fields",
    "0013_squashed_0014_gone",
    "0015_python_and_tables",
]
IN_EACH = {
    "0003_called_default",
    "0004_run_python",
    "0010_custom_operation",
    "0015_python_and_tables",
}
STEPS = list(pairwise(NAMES))


@pytest.fixture(scope="module", autouse=True)
def _planted(trio: list[str], django_db_blocker: object) -> None:
    """Rows under the first migration, the same in all three, save for their number."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        bring(trio, NAMES[0])
        for number, schema in enumerate(trio):
            with owner_transaction() as owner:
                owner.execute(f"SET LOCAL search_path = {schema}")
                owner.execute("INSERT INTO specimen_shelf (name) VALUES ('low'), ('high')")
                owner.execute(
                    "INSERT INTO specimen_book (title, colour, shelf_id)"
                    f" SELECT 'Book ' || n, '', 1 + n % 2 FROM generate_series(1, {10 + number}) n"
                )


def _migrate(schemas: list[str], name: str) -> None:
    with fleet_alone():
        result = run_fleet(
            target=Target("specimen", name),
            release=f"test {name}",
            rules=Rules(only=schemas, processes=2, sample=0),
        )
    assert result.failed == {}
    assert sorted(result.done) == sorted(schemas)


def _rows(schema: str) -> dict[str, list[str]]:
    """The first ten books' rows, as text; what is made at random left out."""
    with owner_transaction() as owner:
        names = [n for n in table_names(owner, schema) if n.startswith("specimen_")]
        owner.execute(f"SET LOCAL search_path = {schema}")
        return {
            name: [
                row
                for (row,) in owner.execute(
                    f"SELECT (to_jsonb(t) - 'ticket' - 'note')::text FROM {name} t"
                    " WHERE id <= 10 ORDER BY id".encode()
                )
            ]
            for name in names
        }


@pytest.mark.parametrize(("before", "after"), STEPS, ids=[after for _, after in STEPS])
@pytest.mark.parametrize("backwards", [False, True], ids=["there", "back"])
def test_fleet_does_what_django_does(
    before: str, after: str, backwards: bool, trio: list[str]
) -> None:
    start, end = (after, before) if backwards else (before, after)
    canary, follower, stock = trio
    bring(trio, start)
    _migrate([canary, follower], end)
    bring([stock], end)
    with owner_transaction() as owner:
        described = [describe_schema(owner, schema) for schema in trio]
    assert described[0].structure == described[2].structure
    assert described[1].structure == described[2].structure
    assert described[0].migrations == described[1].migrations == described[2].migrations
    assert described[0].privileges == described[1].privileges == described[2].privileges
    assert _rows(canary) == _rows(follower) == _rows(stock)


@pytest.mark.parametrize(("before", "after"), STEPS, ids=[after for _, after in STEPS])
def test_plan_says_what_runs_in_each_tenant(before: str, after: str, trio: list[str]) -> None:
    bring(trio[:1], before)
    [group] = groups_behind(Target("specimen", after), only=trio[:1])
    assert [bool(step.why_run) for step in group.plan.steps][-1:] == [after in IN_EACH]


def test_called_default_gives_each_row_of_each_tenant_what_django_gives(trio: list[str]) -> None:
    """Django calls the default once a table: a record of that would be the same in all tenants."""
    canary, follower, _ = trio
    bring(trio, "0002_add_field_and_index")
    _migrate([canary, follower], "0003_called_default")
    tickets = []
    for schema in (canary, follower):
        with owner_transaction() as owner:
            found = owner.execute(f"SELECT DISTINCT ticket FROM {schema}.specimen_book".encode())
            tickets.append({ticket for (ticket,) in found})
    assert not tickets[0] & tickets[1]


def test_custom_operation_sees_the_tenants_own_rows(trio: list[str]) -> None:
    canary, follower, _ = trio
    bring(trio, "0009_rename_models")
    _migrate([canary, follower], "0010_custom_operation")
    for number, schema in enumerate((canary, follower)):
        with owner_transaction() as owner:
            found = owner.execute(f"SELECT DISTINCT note FROM {schema}.specimen_volume".encode())
            assert found.fetchall() == [(f"one of {10 + number}",)]


def test_all_at_once_and_all_the_way_back(trio: list[str]) -> None:
    canary, follower, stock = trio
    for end in (NAMES[-1], NAMES[0]):
        bring(trio, NAMES[0] if end == NAMES[-1] else NAMES[-1])
        _migrate([canary, follower], end)
        bring([stock], end)
        with owner_transaction() as owner:
            structures = [describe_schema(owner, schema).structure for schema in trio]
        assert structures[0] == structures[1] == structures[2]


def test_faked_migrations_are_marked_and_not_run(trio: list[str]) -> None:
    bring(trio, NAMES[1])
    with fleet_alone():
        run_fleet(
            target=Target("specimen", NAMES[0], fake=True),
            release="fake",
            rules=Rules(only=trio, processes=2),
        )
    with owner_transaction() as owner:
        described = [describe_schema(owner, schema) for schema in trio]
    for schema in described:
        assert ("specimen", NAMES[1]) not in schema.migrations
        assert "column specimen_book.year" in schema.structure
    with fleet_alone():
        run_fleet(
            target=Target("specimen", NAMES[1], fake=True),
            release="unfake",
            rules=Rules(only=trio, processes=2),
        )


def test_squashed_migration_is_marked_where_its_parts_are_applied(trio: list[str]) -> None:
    squashed, parts = NAMES[12], ("0013_come_and_go", "0014_gone")
    bring(trio, squashed)
    for schema in trio:
        with owner_transaction() as owner:
            owner.execute(
                f"DELETE FROM {schema}.django_migrations WHERE name = '{squashed}'".encode()
            )
    _migrate(trio, squashed)
    with owner_transaction() as owner:
        for schema in trio:
            applied = describe_schema(owner, schema).migrations
            assert {("specimen", name) for name in (squashed, *parts)} <= applied


def test_handlers_of_post_migrate_work_in_each_tenant(trio: list[str]) -> None:
    def write_shelf(using: str, **kwargs: object) -> None:
        from tests.shared_apps.tenants.fleet.specimen.models import Shelf

        Shelf.objects.using(using).get_or_create(name="made by a handler")

    bring(trio, NAMES[0])
    from django.apps import apps

    sender = apps.get_app_config("specimen")
    models.signals.post_migrate.connect(write_shelf, sender=sender)
    try:
        _migrate(trio, NAMES[1])
    finally:
        models.signals.post_migrate.disconnect(write_shelf, sender=sender)
    for schema in trio:
        with owner_transaction() as owner:
            found = owner.execute(
                f"SELECT count(*) FROM {schema}.specimen_shelf WHERE name LIKE 'made%'".encode()
            )
            assert found.fetchone() == (1,)
            owner.execute(f"DELETE FROM {schema}.specimen_shelf WHERE name LIKE 'made%'".encode())
