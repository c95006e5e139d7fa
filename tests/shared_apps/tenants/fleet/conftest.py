"""Three tenants that are led through the specimen's migrations, and one way back."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from shared_apps.tenants import migrating, provisioning, ready_pool
from shared_apps.tenants.fleet.plans import Target
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import FleetRun, Provisioning, Tenant
from shared_apps.tenants.schemas import OWNER, drop_schema, owner_transaction


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
