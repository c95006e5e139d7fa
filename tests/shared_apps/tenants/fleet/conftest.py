"""What the tests of drift share: a tenant of their own, and ways to spoil its schema."""

from collections.abc import Callable, Iterator

import pytest

from shared_apps.tenants import provisioning
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import SchemaTemplate, Tenant
from shared_apps.tenants.postgresql.catalogue import describe_schema
from shared_apps.tenants.schemas import owner_transaction
from tests.isolation.conftest import superuser

Planter = Callable[[str], None]


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
