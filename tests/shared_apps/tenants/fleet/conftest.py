"""What the tests of the fleet share: three tenants that are led through the specimen's migrations,
a tenant of drift's own, and ways to spoil its schema."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from shared_apps.tenants import migrating, provisioning, ready_pool
from shared_apps.tenants.fleet.plans import Target
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import FleetRun, Provisioning, SchemaTemplate, Tenant
from shared_apps.tenants.postgresql.catalogue import PsycopgConnection, describe_schema
from shared_apps.tenants.schemas import OWNER, drop_schema, owner_transaction
from tests.isolation.conftest import superuser
from tests.shared_apps.tenants.handmade_schemas import NASTY_TABLES, make_schema

Planter = Callable[[str], None]


@pytest.fixture(scope="module")
def trio(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[str]]:
    """The schemas of three tenants, dropped when the module is done."""
    from shared_apps.domains.models import Domain

    with django_db_blocker.unblock():
        tenants = [
            provisioning.provision_tenant(name=name, subdomain=name, owner=None, request_id=uuid7())
            for name in ("uno", "due", "tre")
        ]
        yield [tenant.schema_name for tenant in tenants]
        connections.close_all()
        for tenant in tenants:
            with owner_transaction() as connection:
                drop_schema(connection, tenant.schema_name)
                Domain.objects.using(OWNER).filter(tenant=tenant).delete()
                Tenant.objects.using(OWNER).filter(pk=tenant.pk).delete()
        Provisioning.objects.filter(tenant=None).delete()
        FleetRun.objects.all().delete()
        ready_pool.fill()
        connections.close_all()


@pytest.fixture
def unblocked(trio: list[str], django_db_blocker: Any) -> Iterator[None]:
    """Real transactions, over both connections."""
    with django_db_blocker.unblock():
        yield
        connections.close_all()


def bring(schemas: list[str], name: str) -> None:
    """Lead schemas to a migration of the specimen's by Django's own executor."""
    for schema in schemas:
        migrating.migrate_schema(schema, Target("specimen", name))


# Everything that a schema can have besides what NASTY_TABLES have.
MORE = """
    CREATE INDEX plain ON renamed_table (after);
    ALTER TABLE renamed_table ADD CONSTRAINT positive CHECK (after > 0);
    CREATE INDEX signed ON shop_product USING gist (title extensions.gist_trgm_ops (siglen = 32));
    GRANT SELECT ON shop_product TO terrace_app; GRANT SELECT (slug) ON shop_product TO terrace_app
"""


@pytest.fixture(scope="module")
def twin_schemas(django_db_setup: None) -> Iterator[PsycopgConnection]:
    """Schemas `one` and `two`, the same by name and not by oid; rolled back with the module.

    In this worker's database: in one of all workers they would wait for each other.
    """
    name = settings.DATABASES["default"]["NAME"]
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"], dbname=name) as connection:
        make_schema(connection, "one", NASTY_TABLES + MORE)
        make_schema(connection, "between", "CREATE TABLE t (id int, gone int)")
        make_schema(connection, "two", NASTY_TABLES + MORE)
        yield connection
        connection.rollback()


@pytest.fixture
def twins(twin_schemas: PsycopgConnection) -> Iterator[PsycopgConnection]:
    """The same for one test, which may change them."""
    with twin_schemas.transaction(force_rollback=True):
        yield twin_schemas


@pytest.fixture
def initech(committed: None) -> Iterator[Tenant]:
    tenant = provisioning.provision_tenant(
        name="Initech", subdomain="initech", owner=None, request_id=uuid7()
    )
    yield tenant
    # A test may have given it away; the owner drops it.
    with superuser() as connection:
        own = connection.execute(
            "SELECT FROM pg_namespace WHERE nspname = %s", [tenant.schema_name]
        )
        if own.rowcount:
            connection.execute(
                f'ALTER SCHEMA "{tenant.schema_name}" OWNER TO terrace_owner'.encode()
            )


@pytest.fixture
def plant(initech: Tenant) -> Planter:
    """`plant(sql)`: run as the superuser in the tenant's schema; {tenant} is its and its role's name."""

    def run(statements: str) -> None:
        with superuser() as connection:
            connection.execute(f"SET search_path = {initech.schema_name}".encode())
            connection.execute(statements.replace("{tenant}", initech.schema_name).encode())

    return run


def is_whole(schema_name: str) -> bool:
    """Whether the schema's fingerprint is the release's."""
    with owner_transaction() as connection:
        found = describe_schema(connection, schema_name).fingerprint
    return found == SchemaTemplate.objects.get().fingerprint
