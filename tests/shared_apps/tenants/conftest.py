"""What the tests of schema making share."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connections

from shared_apps.tenants.errors import TenancyError
from shared_apps.tenants.postgresql.catalogue import PsycopgConnection

ThreadRunner = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


@pytest.fixture
def owner_connection() -> Iterator[PsycopgConnection]:
    """A connection of the owner role in a transaction that is rolled back."""
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"]) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test commits for real; the tenants that it made are erased after it, the cast is kept."""
    from shared_apps.domains.models import Domain
    from shared_apps.tenants.models import Provisioning, ReadySchema, Tenant
    from shared_apps.tenants.schemas import OWNER, drop_schema, owner_transaction

    with django_db_blocker.unblock():
        cast = set(Tenant.objects.values_list("pk", flat=True))
        _even_out_pool()
        yield
        connections.close_all()
        for tenant in Tenant.objects.exclude(pk__in=cast):
            with owner_transaction() as connection:
                drop_schema(connection, tenant.schema_name)
                Domain.objects.using(OWNER).filter(tenant=tenant).delete()
                Tenant.objects.using(OWNER).filter(pk=tenant.pk).delete()
        Provisioning.objects.exclude(tenant__in=cast).delete()
        ReadySchema.objects.update(reserved_for=None, reserved_at=None)
        _even_out_pool()
        connections.close_all()


def _even_out_pool() -> None:
    """As many ready schemas as the settings say: no more, no fewer."""
    from shared_apps.tenants import ready_pool
    from shared_apps.tenants.models import ReadySchema
    from shared_apps.tenants.schemas import OWNER, drop_schema, owner_transaction

    ready_pool.fill()
    names = ReadySchema.objects.values_list("name", flat=True)
    for name in names[settings.TERRACE_READY_POOL_SIZE :]:
        with owner_transaction() as connection:
            ReadySchema.objects.using(OWNER).filter(name=name).delete()
            drop_schema(connection, name)


@pytest.fixture
def empty_pool(committed: None) -> None:
    """Every ready schema is kept for a request that never comes."""
    from shared_apps.tenants.keys import uuid7
    from shared_apps.tenants.models import ReadySchema

    ReadySchema.objects.update(reserved_for=uuid7())


@pytest.fixture
def in_threads() -> ThreadRunner:
    """`in_threads(function, arguments)`: one thread an argument, all let go at the same moment.

    Gives each call's result, or the exception that it raised.
    """

    def run(function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
        barrier = threading.Barrier(len(arguments))

        def call(argument: Any) -> Any:
            barrier.wait(timeout=30)
            try:
                return function(argument)
            except (DatabaseError, TenancyError, ValueError, LookupError, RuntimeError) as error:
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(arguments)) as pool:
            return list(pool.map(call, arguments))

    return run


TenantMaker = Callable[..., Any]


@pytest.fixture
def make_tenant(committed: None) -> TenantMaker:
    """`make_tenant("initech")`: a tenant of the test's own, committed, with an owner who has a
    password (OWNER_PASSWORD)."""
    from shared_apps.tenants import context
    from shared_apps.tenants.keys import uuid7
    from shared_apps.tenants.provisioning import provision_tenant
    from shared_apps.tenants.registry import OwnerDetails
    from tenant_apps.users.models import User

    def make(subdomain: str = "initech") -> Any:
        owner = OwnerDetails(email=f"owner@{subdomain}.example", full_name="Ina Owner")
        tenant = provision_tenant(
            name=subdomain.title(), subdomain=subdomain, owner=owner, request_id=uuid7()
        )
        with context.run_in(tenant):
            user = User.objects.get()
            user.set_password(OWNER_PASSWORD)
            user.save(update_fields=["password"])
        return tenant

    return make


OWNER_PASSWORD = "a long enough passphrase"


@pytest.fixture
def media(tmp_path: Path, settings: Any) -> Path:
    """An empty place for the tenants' files."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"
