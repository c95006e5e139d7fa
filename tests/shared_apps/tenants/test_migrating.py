"""`manage.py migrate` brings the template, every tenant and the pool to the same migrations."""

import io
import threading
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from psycopg.errors import InsufficientPrivilege

from shared_apps.tenants import context, migrating, provisioning, ready_pool
from shared_apps.tenants.fleet.runs import fleet_alone
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import ReadySchema, SchemaTemplate, Tenant
from shared_apps.tenants.postgresql.catalogue import describe_schema, differences
from shared_apps.tenants.schemas import OWNER, owner_transaction
from shared_apps.tenants.template import TEMPLATE_SCHEMA, TemplateStale, prepare_release

pytestmark = pytest.mark.usefixtures("committed")
_NOT_A_TENANTS = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname IN ('extensions', 'public') ORDER BY 1, 2"
)
BEFORE_PRODUCTS = migrating.Target("products", "zero")


@pytest.fixture
def initech() -> Tenant:
    return provisioning.provision_tenant(
        name="Initech", subdomain="initech", owner=None, request_id=uuid7()
    )


@pytest.fixture
def hooli() -> Tenant:
    return provisioning.provision_tenant(
        name="Hooli", subdomain="hooli", owner=None, request_id=uuid7()
    )


@pytest.fixture
def release_before_products() -> Iterator[None]:
    """Template, release and pool as they were before the app `products` came."""
    migrating.migrate_schema(TEMPLATE_SCHEMA, BEFORE_PRODUCTS)
    yield
    migrating.migrate_tenants()


def _tables(schema_name: str) -> set[str]:
    with owner_transaction() as owner:
        structure = describe_schema(owner, schema_name).structure
    return {key.split()[1] for key in structure if key.startswith("table ")}


def test_nothing_to_do_is_found_with_one_query_for_all(initech: Tenant, hooli: Tenant) -> None:
    with CaptureQueriesContext(connections[OWNER]) as queries:
        assert migrating.schemas_behind() == []
    assert len([query for query in queries if "tenants_tenant" in query["sql"]]) == 1
    assert migrating.migrate_tenants().tenants == []


def test_tenant_that_is_behind_is_migrated_with_its_grants(initech: Tenant, hooli: Tenant) -> None:
    migrating.migrate_schema(initech.schema_name, BEFORE_PRODUCTS)
    assert "products_product" not in _tables(initech.schema_name)
    assert migrating.schemas_behind() == [initech.schema_name]
    lines: list[str] = []
    done = migrating.migrate_tenants(report=lines.append)
    assert (done.tenants, done.failed) == ([initech.schema_name], {})
    assert lines == []
    with owner_transaction() as owner:
        migrated, untouched = (
            describe_schema(owner, tenant.schema_name) for tenant in (initech, hooli)
        )
    assert differences(migrated, untouched) == []
    with context.run_in(initech), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM products_product")
        assert cursor.fetchone() == (0,)


def test_grants_that_were_lost_come_back_with_a_migration(initech: Tenant, hooli: Tenant) -> None:
    migrating.migrate_schema(initech.schema_name, BEFORE_PRODUCTS)
    with owner_transaction() as owner:
        table = f"{initech.schema_name}.articles_article"
        owner.execute(f"REVOKE ALL ON TABLE {table} FROM {initech.schema_name}".encode())
    migrating.migrate_tenants()
    with owner_transaction() as owner:
        found = differences(*(describe_schema(owner, t.schema_name) for t in (initech, hooli)))
    assert found == []


def test_new_migration_reaches_template_tenants_and_pool(
    initech: Tenant, release_before_products: None
) -> None:
    """The release before had no products: its tenants, its template, its ready schemas."""
    migrating.migrate_schema(initech.schema_name, BEFORE_PRODUCTS)
    prepare_release()
    with pytest.raises(TemplateStale):
        ready_pool.fill()
    older = SchemaTemplate.objects.get()
    assert ready_pool.pool_size().ready == 0
    # As the older code's `fill` did; today's refuses, since the template lacks its migrations.
    ready_pool._begin(settings.TERRACE_READY_POOL_SIZE)
    while ready_pool._make_next():
        pass
    stale = {row.name for row in ReadySchema.objects.filter(fingerprint=older.fingerprint)}
    assert len(stale) == settings.TERRACE_READY_POOL_SIZE
    out = io.StringIO()
    call_command("migrate", stdout=out)
    assert "template migrated" in out.getvalue()
    assert SchemaTemplate.objects.get().fingerprint != older.fingerprint
    assert ready_pool.pool_size().ready >= settings.TERRACE_READY_POOL_SIZE
    migrated = ReadySchema.objects.filter(name__in=stale)
    fingerprint = SchemaTemplate.objects.get().fingerprint
    assert set(migrated.values_list("fingerprint", flat=True)) == {fingerprint}
    ready = migrated.values_list("name", flat=True)[0]
    with owner_transaction() as owner:
        applied = {
            describe_schema(owner, name).migrations_hash
            for name in (
                TEMPLATE_SCHEMA,
                ready,
                *Tenant.objects.values_list("schema_name", flat=True),
            )
        }
    assert len(applied) == 1


def test_failing_tenant_does_not_stop_the_others(initech: Tenant, hooli: Tenant) -> None:
    for tenant in (initech, hooli):
        migrating.migrate_schema(tenant.schema_name, BEFORE_PRODUCTS)
    with owner_transaction() as owner:
        owner.execute(f"CREATE TABLE {initech.schema_name}.products_product (id int)".encode())
    with pytest.raises(CommandError) as failed:
        call_command("migrate", verbosity=0)
    assert "initech" in str(failed.value)
    assert "ProgrammingError" in str(failed.value)
    assert "already exists" in str(failed.value)
    assert hooli.schema_name not in str(failed.value)
    assert "products_product" in _tables(hooli.schema_name)
    assert migrating.schemas_behind() == [initech.schema_name]


def test_tenant_whose_schema_is_gone_is_named(initech: Tenant) -> None:
    with owner_transaction() as owner:
        owner.execute(f"DROP SCHEMA {initech.schema_name} CASCADE".encode())
    with owner_transaction() as owner:
        pieces = owner.execute(_NOT_A_TENANTS).fetchall()
    done = migrating.migrate_tenants()
    assert list(done.failed) == [initech.schema_name]
    assert "There is no schema" in done.failed[initech.schema_name]
    # PostgreSQL passes over a schema that isn't there and makes the tables in the next of the path.
    with owner_transaction() as owner:
        assert owner.execute(_NOT_A_TENANTS).fetchall() == pieces


def test_nobody_makes_a_table_behind_all_tenants() -> None:
    with pytest.raises(InsufficientPrivilege), owner_transaction() as owner:
        owner.execute("SET LOCAL search_path = t_notthere0000, extensions")
        owner.execute("CREATE TABLE django_migrations (id int)")


def test_check_says_whether_something_is_behind(initech: Tenant) -> None:
    call_command("migrate", check_unapplied=True, verbosity=0, stdout=io.StringIO())
    migrating.migrate_schema(initech.schema_name, BEFORE_PRODUCTS)
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("migrate", check_unapplied=True, verbosity=0, stdout=out)
    assert ended.value.code == 1
    assert initech.schema_name in out.getvalue()


def test_other_database_is_refused() -> None:
    with pytest.raises(CommandError):
        call_command("migrate", database="elsewhere", verbosity=0)


def test_table_is_found_without_listing_all_tables() -> None:
    """Django's own has_table() reads all of pg_class, for each tenant, four times."""
    with CaptureQueriesContext(connections[OWNER]) as queries:
        assert not migrating.migrate_schema(TEMPLATE_SCHEMA, migrating.Target())
    assert not [query for query in queries if "pg_class" in query["sql"]]
    assert len(queries) <= 14


def test_template_that_cannot_be_copied_stops_before_the_tenants(initech: Tenant) -> None:
    migrating.migrate_schema(initech.schema_name, BEFORE_PRODUCTS)
    release = SchemaTemplate.objects.get().fingerprint
    stray = f"{TEMPLATE_SCHEMA}.users_role"
    with owner_transaction() as owner:
        owner.execute(
            f"INSERT INTO {stray} (slug, name, permissions, builtin)"
            " VALUES ('x', 'X', '{}', false)".encode()
        )
    try:
        with pytest.raises(CommandError, match="table users_role has rows"):
            call_command("migrate", verbosity=0)
    finally:
        with owner_transaction() as owner:
            owner.execute(f"DELETE FROM {stray}".encode())
    assert SchemaTemplate.objects.get().fingerprint == release
    assert migrating.schemas_behind() == [initech.schema_name]


def test_two_migrate_at_once_take_turns() -> None:
    order: list[str] = []

    def second() -> None:
        with fleet_alone():
            order.append("second")
        connections.close_all()

    waiting = threading.Thread(target=second)
    with fleet_alone():
        waiting.start()
        waiting.join(timeout=0.3)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]
