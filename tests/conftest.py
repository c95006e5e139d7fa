"""The cast: tenants acme and globex, their people, and an operator.

Both schemas are made once per session and xdist worker. Each test runs in a transaction that is
rolled back; only provisioning tests make schemas of their own.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import AsyncClient, Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from shared_apps.tenants.postgresql.bootstrap import bootstrap_database
from shared_apps.tenants.registry import OwnerDetails


def pytest_configure() -> None:
    """Have a suite that runs in the background hand on no deaf ear: programs that are started there
    ignore SIGINT, under nohup SIGHUP too, and so would all that the tests start and end."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)  # a handler: what is started has the default


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """The database is made below, not by Django's test runner."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any, worker_id: str) -> Iterator[None]:
    """An empty database, bootstrapped and migrated as a real one is, with acme and globex in it."""
    name = f"test_terrace_{worker_id}"
    superuser_url = os.environ["DATABASE_SUPERUSER_URL"]
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
    from shared_apps.tenants.provisioning import provision_tenant

    refused = bootstrap_database(superuser_url, database=name).refused
    assert not refused, refused
    for alias in connections:
        connections[alias].settings_dict["NAME"] = name
        settings.DATABASES[alias]["NAME"] = name
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
        for subdomain in ("acme", "globex"):
            owner = OwnerDetails(email=f"owner@{subdomain}.example", full_name="Olga Owner")
            provision_tenant(
                name=subdomain.title(), subdomain=subdomain, owner=owner, request_id=uuid4()
            )
        connections.close_all()
    yield
    with django_db_blocker.unblock():
        connections.close_all()
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    """Each test starts with an empty Redis database of its own worker."""
    import redis

    from shared_apps.domains import resolution

    client = redis.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    resolution._process_cache.clear()
    yield
    client.close()


@pytest.fixture(scope="session")
def cast(django_db_setup: None, django_db_blocker: Any) -> dict[str, TenantRef]:
    """The tenants by subdomain, for tests that commit (see `committing_db`)."""
    from shared_apps.tenants.models import Tenant

    with django_db_blocker.unblock():
        refs = {name: Tenant.objects.get(subdomain=name).ref for name in ("acme", "globex")}
        connections.close_all()
    return refs


@pytest.fixture
def committing_db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Real transactions, for threads and other processes. The test deletes what it has made.

    Django's own `transactional_db` empties every table with TRUNCATE afterwards, which the
    application's role may not do.
    """
    with django_db_blocker.unblock():
        yield
        connections.close_all()


@pytest.fixture
def acme(cast: dict[str, TenantRef], db: None) -> TenantRef:
    """The tenant most tests work in."""
    return cast["acme"]


@pytest.fixture
def globex(cast: dict[str, TenantRef], db: None) -> TenantRef:
    """Its neighbour."""
    return cast["globex"]


@pytest.fixture
def in_acme(acme: TenantRef) -> Iterator[TenantRef]:
    """The whole test runs inside acme."""
    with context.run_in(acme):
        yield acme


# How long an example takes depends on the machine; what it gives doesn't.
hypothesis.settings.register_profile("terrace", deadline=None)
hypothesis.settings.load_profile("terrace")

ClientMaker = Callable[[TenantRef | None], Client]


@pytest.fixture
def client_of(db: None) -> ClientMaker:
    """`client_of(tenant)`: Django's test client on the tenant's host; None is the public host."""

    def make(tenant: TenantRef | None) -> Client:
        host = tenant.hostname if tenant else settings.TERRACE_BASE_DOMAIN
        return Client(headers={"host": host})

    return make


@pytest.fixture
def acme_client(acme: TenantRef, client_of: ClientMaker) -> Client:
    """A visitor of acme."""
    return client_of(acme)


@pytest.fixture
def globex_client(globex: TenantRef, client_of: ClientMaker) -> Client:
    """A visitor of globex."""
    return client_of(globex)


@pytest.fixture
def tasks_at_once() -> Iterator[None]:
    """Tasks are done where they are published, in their own tenant, and their errors are raised."""
    from config.celery import app

    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield
    app.conf.update(task_always_eager=False, task_eager_propagates=False)


class AsyncHostClient(AsyncClient):
    """Django's async client always sends `Host: testserver`, whatever it is told besides."""

    def __init__(self, host: str, **options: Any) -> None:
        super().__init__(**options)
        self.host = host

    def _base_scope(self, **request: Any) -> dict[str, Any]:
        scope: dict[str, Any] = super()._base_scope(**request)  # type: ignore[misc]
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        scope["headers"] = [(b"host", self.host.encode()), *others]
        return scope


@pytest.fixture
def async_client_of(db: None) -> Callable[[TenantRef | None], AsyncHostClient]:
    """As client_of, for async views."""

    def make(tenant: TenantRef | None) -> AsyncHostClient:
        return AsyncHostClient(tenant.hostname if tenant else settings.TERRACE_BASE_DOMAIN)

    return make
