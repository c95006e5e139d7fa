"""A repair mends what can be mended, destroys nothing unasked, and says what is left and why."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from shared_apps.tenants import lifecycle, migrating
from shared_apps.tenants.fleet import repair
from shared_apps.tenants.fleet.drift import find_drift
from shared_apps.tenants.fleet.drift_model import SchemaDifference
from shared_apps.tenants.fleet.drift_schemas import SchemaForeign
from shared_apps.tenants.fleet.locks import schema_lock_key
from shared_apps.tenants.fleet.repair import (
    DriftStale,
    RepairFailed,
    SchemaBusy,
    repair_schema,
)
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.postgresql.catalogue import SchemaNotFound
from tests.isolation.conftest import superuser
from tests.shared_apps.tenants.conftest import ThreadRunner
from tests.shared_apps.tenants.fleet.conftest import Planter, is_whole

pytestmark = pytest.mark.usefixtures("committed")


def _found(tenant: Tenant) -> tuple[SchemaDifference, ...]:
    drifted = find_drift(schemas=[tenant.schema_name]).drifted
    return drifted[0].differences if drifted else ()


def _column(tenant: Tenant, query: str) -> list[object]:
    with superuser() as connection:
        connection.execute(f"SET search_path = {tenant.schema_name}".encode())
        return [value for (value,) in connection.execute(query.encode()).fetchall()]


@contextmanager
def _held(statement: str) -> Iterator[None]:
    """Somebody else's open transaction."""
    with superuser() as connection, connection.transaction():
        connection.execute(statement.encode())
        yield


def test_whole_schema_has_nothing_to_repair(initech: Tenant) -> None:
    repaired = repair_schema(schema=initech.schema_name)
    assert (repaired.mended, repaired.left, repaired.is_whole) == ((), (), True)


def test_extra_column_with_values_is_dropped_only_when_asked(
    initech: Tenant, plant: Planter
) -> None:
    plant("ALTER TABLE users_role ADD nickname text; UPDATE users_role SET nickname = 'x'")
    repaired = repair_schema(schema=initech.schema_name)
    [left] = repaired.left
    assert "It would destroy what users_role.nickname holds." in left.reason
    assert (repaired.mended, repaired.is_whole) == ((), False)
    assert set(_column(initech, "SELECT nickname FROM users_role")) == {"x"}
    assert repair_schema(schema=initech.schema_name, destructive=True).is_whole
    assert _found(initech) == ()


def test_extra_column_without_values_is_dropped(initech: Tenant, plant: Planter) -> None:
    plant("ALTER TABLE users_role ADD nickname text")
    assert repair_schema(schema=initech.schema_name).is_whole


def test_extra_table_with_rows_is_dropped_only_when_asked(initech: Tenant, plant: Planter) -> None:
    plant(
        "CREATE TABLE leftover (id int); INSERT INTO leftover VALUES (1);"
        "CREATE TABLE empty (id int); ALTER TABLE leftover OWNER TO terrace_owner;"
        "ALTER TABLE empty OWNER TO terrace_owner"
    )
    repaired = repair_schema(schema=initech.schema_name)
    assert [one.object for one in repaired.mended] == ["empty"]
    assert [left.difference.object for left in repaired.left] == ["leftover"]
    assert "the rows of leftover" in repaired.left[0].reason
    assert _column(initech, "SELECT id FROM leftover") == [1]
    assert repair_schema(schema=initech.schema_name, destructive=True).is_whole


def test_type_that_could_change_values_is_changed_only_when_asked(
    initech: Tenant, plant: Planter
) -> None:
    plant("ALTER TABLE users_role ALTER COLUMN builtin TYPE text")
    [left] = repair_schema(schema=initech.schema_name).left
    assert "values of users_role.builtin" in left.reason
    assert repair_schema(schema=initech.schema_name, destructive=True).is_whole
    assert set(_column(initech, "SELECT builtin FROM users_role")) == {True}


def test_text_that_is_too_long_is_never_cut(initech: Tenant, plant: Planter) -> None:
    plant(
        "ALTER TABLE users_role ALTER COLUMN name TYPE text;"
        "UPDATE users_role SET name = repeat('x', 61)"
    )
    [left] = repair_schema(schema=initech.schema_name, destructive=True).left
    assert "value too long" in left.reason
    assert {len(str(name)) for name in _column(initech, "SELECT name FROM users_role")} == {61}


def test_what_the_rows_refuse_is_left_and_the_rest_is_mended(
    initech: Tenant, plant: Planter
) -> None:
    plant(
        "ALTER TABLE users_role DROP COLUMN builtin;"  # NOT NULL, and there are rows
        "DROP INDEX articles_article_due; ALTER TABLE users_role ADD nickname text"
    )
    repaired = repair_schema(schema=initech.schema_name)
    assert {one.kind for one in repaired.mended} == {"missing index", "extra column"}
    [left] = repaired.left
    assert left.difference.object == "users_role.builtin"
    assert "contains null values" in left.reason
    assert not repaired.is_whole
    assert [one.object for one in _found(initech)] == ["users_role.builtin"]


def test_identity_goes_on_behind_the_rows(initech: Tenant, plant: Planter) -> None:
    plant("UPDATE users_role SET id = id + 100 WHERE id NOT IN (SELECT role_id FROM users_user)")
    plant("ALTER TABLE users_role ALTER COLUMN id DROP IDENTITY")
    assert repair_schema(schema=initech.schema_name).is_whole
    [highest] = _column(initech, "SELECT max(id) FROM users_role")
    [added] = _column(
        initech,
        "INSERT INTO users_role (slug, name, permissions, builtin)"
        " VALUES ('new', 'New', '{}', false) RETURNING id",
    )
    assert added == int(str(highest)) + 1


def test_column_in_the_middle_is_made_and_its_order_left(initech: Tenant, plant: Planter) -> None:
    plant("ALTER TABLE articles_article DROP COLUMN archived_at")
    repaired = repair_schema(schema=initech.schema_name)
    assert [(one.kind, one.object) for one in repaired.mended] == [
        ("missing column", "articles_article.archived_at")
    ]
    assert [left.difference.kind for left in repaired.left] == ["column order"]


def test_missing_column_is_made_though_an_extra_one_stays(initech: Tenant, plant: Planter) -> None:
    plant(
        "ALTER TABLE activity_entry DROP COLUMN ip_address;"
        "ALTER TABLE activity_entry ADD COLUMN a text, ADD COLUMN b text;"
        "INSERT INTO activity_entry (at, verb, actor_email, object_type, object_id, object_label,"
        " before, after, b) VALUES (now(), 'x', '', '', '', '', '{}', '{}', 'kept')"
    )
    repaired = repair_schema(schema=initech.schema_name)
    assert {one.object for one in repaired.mended} == {
        "activity_entry.a",
        "activity_entry.ip_address",
    }
    assert [left.difference.object for left in repaired.left] == ["activity_entry.b"]
    assert repair_schema(schema=initech.schema_name, destructive=True).is_whole


def test_only_chosen_differences_are_mended(initech: Tenant, plant: Planter) -> None:
    plant("DROP INDEX articles_article_due; DROP INDEX articles_article_recent")
    first, second = _found(initech)
    repaired = repair_schema(schema=initech.schema_name, differences=[second])
    assert (repaired.mended, repaired.is_whole) == ((second,), False)
    assert _found(initech) == (first,)


def test_drift_that_is_no_longer_as_found_is_refused(initech: Tenant, plant: Planter) -> None:
    plant("CREATE INDEX by_hand ON users_role (name); DROP INDEX articles_article_due")
    found = _found(initech)
    plant("DROP INDEX by_hand")
    with pytest.raises(DriftStale, match="extra index: by_hand"):
        repair_schema(schema=initech.schema_name, differences=found)
    assert [one.object for one in _found(initech)] == ["articles_article_due"]


def test_schema_that_is_behind_is_migrated_not_repaired(initech: Tenant) -> None:
    migrating.migrate_schema(initech.schema_name, migrating.Target("products", "zero"))
    with pytest.raises(DriftStale, match="Run `manage.py migrate` first"):
        repair_schema(schema=initech.schema_name)


def test_unknown_schema_is_refused() -> None:
    with pytest.raises(SchemaNotFound, match="no tenant's schema"):
        repair_schema(schema="t_notthere0000")


def test_busy_table_is_waited_for(
    initech: Tenant, plant: Planter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_LOCK_TIMEOUT", "100ms")
    plant("ALTER TABLE users_role ADD nickname text")
    ready, release = threading.Event(), threading.Event()

    def hold() -> None:
        with _held(f'LOCK TABLE "{initech.schema_name}".users_role IN ACCESS SHARE MODE'):
            ready.set()
            release.wait(timeout=20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert ready.wait(timeout=20)
    threading.Timer(0.4, release.set).start()
    assert repair_schema(schema=initech.schema_name).is_whole
    holder.join(timeout=20)


def test_table_that_stays_busy_is_named_and_nothing_changed(
    initech: Tenant, plant: Planter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(repair, "_PAUSE_SECONDS", 0.01)
    plant("ALTER TABLE users_role ADD nickname text; DROP INDEX articles_article_due")
    found = _found(initech)
    with (
        _held(f'LOCK TABLE "{initech.schema_name}".users_role IN ACCESS SHARE MODE'),
        pytest.raises(SchemaBusy, match="lock timeout.*Nothing was changed"),
    ):
        repair_schema(schema=initech.schema_name)
    assert _found(initech) == found


def test_migration_of_the_same_schema_is_waited_for(
    initech: Tenant, plant: Planter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(repair, "_PAUSE_SECONDS", 0.01)
    key = schema_lock_key(initech.schema_name)
    with _held(f"SELECT pg_advisory_xact_lock({key})"), pytest.raises(SchemaBusy):
        repair_schema(schema=initech.schema_name)


def test_two_repairs_at_once_do_it_once(
    initech: Tenant, plant: Planter, in_threads: ThreadRunner
) -> None:
    plant("DROP INDEX articles_article_due; ALTER TABLE users_role ADD nickname text")
    name = initech.schema_name
    outcomes = in_threads(lambda _: repair_schema(schema=name), range(2))
    assert sorted(len(one.mended) for one in outcomes) == [0, 2]
    assert all(one.is_whole for one in outcomes)


def test_wrong_result_is_rolled_back(
    initech: Tenant, plant: Planter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DDL that makes something else than the release has is not kept."""
    plant("DROP INDEX articles_article_due; DROP INDEX articles_article_recent")
    original = repair.explain_differences

    def explain(found, release, *, means):  # type: ignore[no-untyped-def]
        first, *others = original(found, release, means=means)
        wrong = first.statements[0].replace("scheduled_for", "published_at")
        return [SchemaDifference(first.kind, first.object, first.lines, (wrong,)), *others]

    monkeypatch.setattr(repair, "explain_differences", explain)
    with pytest.raises(RepairFailed, match="index articles_article_due.*rolled back"):
        repair_schema(schema=initech.schema_name)
    assert len(_found(initech)) == 2


def test_statement_that_changes_something_else_is_rolled_back(
    initech: Tenant, plant: Planter, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant("DROP INDEX articles_article_due")
    original = repair.explain_differences

    def explain(found, release, *, means):  # type: ignore[no-untyped-def]
        [first] = original(found, release, means=means)
        more = (*first.statements, "DROP INDEX articles_article_recent")
        return [SchemaDifference(first.kind, first.object, first.lines, more)]

    monkeypatch.setattr(repair, "explain_differences", explain)
    with pytest.raises(RepairFailed, match="index articles_article_recent"):
        repair_schema(schema=initech.schema_name)
    assert [one.object for one in _found(initech)] == ["articles_article_due"]


def test_table_of_a_superuser_is_left_with_what_to_do(initech: Tenant, plant: Planter) -> None:
    plant("ALTER TABLE articles_tag OWNER TO postgres; DROP INDEX articles_article_due")
    repaired = repair_schema(schema=initech.schema_name)
    assert [one.kind for one in repaired.mended] == ["missing index"]
    [left] = repaired.left
    assert left.difference.kind == "wrong owner"
    assert "As postgres or as a superuser" in left.reason
    statements = left.reason.partition("search_path: ")[2]
    plant(statements)  # as the sentence says
    assert _found(initech) == ()
    assert is_whole(initech.schema_name)


def test_schema_of_a_superuser_is_refused_by_name(initech: Tenant, plant: Planter) -> None:
    plant('ALTER SCHEMA "{tenant}" OWNER TO postgres')
    with pytest.raises(SchemaForeign, match="belongs to postgres"):
        repair_schema(schema=initech.schema_name)


def test_neighbours_are_not_touched(initech: Tenant, plant: Planter) -> None:
    acme = Tenant.objects.get(subdomain="acme")
    names = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    query = f"{names} WHERE c.relnamespace = '{acme.schema_name}'::regnamespace"
    before = _column(acme, query)
    plant("CREATE INDEX by_hand ON users_role (name)")
    with superuser() as connection:
        connection.execute(
            f'CREATE INDEX by_hand ON "{acme.schema_name}".users_role (name)'.encode()
        )
    try:
        assert repair_schema(schema=initech.schema_name).is_whole
        assert _column(acme, query) == [int(str(before[0])) + 1]
    finally:
        assert repair_schema(schema=acme.schema_name).is_whole


def test_read_only_tenant_is_whole_when_it_is_mended(initech: Tenant, plant: Planter) -> None:
    lifecycle.make_read_only(tenant=initech, reason="a test", by="tests")
    plant("DROP INDEX articles_article_recent")
    repaired = repair_schema(schema=initech.schema_name)
    assert repaired.mended
    assert repaired.is_whole
