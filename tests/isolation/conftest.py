"""What could leak: rows with equal keys in acme and globex, committed so that every path sees them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import Client

from shared_apps.tenants import context
from shared_apps.tenants.context import TenantRef
from tests.conftest import AsyncHostClient
from tests.isolation.probe.models import Note, Tag

Cast = dict[str, TenantRef]
NOTES = 3


def secret_of(tenant: TenantRef) -> str:
    """What must never be read in another tenant."""
    return f"{tenant.subdomain}-secret"


@pytest.fixture(scope="module")
def planted(cast: Cast, django_db_blocker: Any) -> Iterator[Cast]:
    """Notes 1 to 3 in each tenant, committed: `<subdomain>-secret-<number>`, the second answers the
    first. A test that changes them puts them back."""
    with django_db_blocker.unblock():
        plant(cast)
        yield cast
        for tenant in cast.values():
            with context.run_in(tenant), transaction.atomic():
                _clear()
        connections.close_all()


def plant(cast: Cast) -> None:
    """Take away what notes there are, and write those of `planted`."""
    for tenant in cast.values():
        with context.run_in(tenant), transaction.atomic():
            _clear()
            tag = Tag.objects.create(id=1, word=f"{tenant.subdomain}-tag")
            for number in range(1, NOTES + 1):
                note = Note.objects.create(id=number, text=f"{secret_of(tenant)}-{number}")
                note.tags.add(tag)
            Note.objects.filter(id=2).update(parent_id=1)


def _clear() -> None:
    Note.tags.through.objects.all().delete()
    Note.objects.all().delete()
    Tag.objects.all().delete()


@pytest.fixture
def careless(settings: Any) -> None:
    """Tenants' hosts serve the careless views."""
    settings.TERRACE_TENANT_URLCONF = "tests.isolation.careless"


@pytest.fixture
def visit(careless: None) -> Callable[..., Any]:
    """`visit(tenant, "search", q="…")`: the JSON that a careless view answers on the tenant's host."""

    def get(tenant: TenantRef, view: str, **parameters: str) -> Any:
        client = Client(headers={"host": tenant.hostname})
        return client.get(f"/careless/{view}", parameters).json()

    return get


@pytest.fixture
def visit_async(careless: None) -> Callable[..., Any]:
    """As visit, over ASGI."""

    async def get(tenant: TenantRef, view: str, **parameters: str) -> Any:
        client = AsyncHostClient(tenant.hostname)
        return (await client.get(f"/careless/{view}", parameters)).json()

    return get


@contextlib.contextmanager
def superuser(**options: Any) -> Iterator[psycopg.Connection[Any]]:
    """A connection that no lock holds, to show that a query would find what is planted."""
    import os

    with psycopg.connect(
        os.environ["DATABASE_SUPERUSER_URL"],
        dbname=settings.DATABASES["default"]["NAME"],
        autocommit=True,
        **options,
    ) as connection:
        yield connection


def left_on_connection() -> dict[str, Any]:
    """What is set on this thread's connection outside of a transaction: empty where nothing is left.

    Asked over the raw connection, past the locks.
    """
    connection = connections["default"].connection
    result = connection.pgconn.exec_(
        b"SELECT name, setting FROM pg_settings WHERE source = 'session'"
        b" AND name NOT IN ('client_encoding', 'TimeZone', 'application_name')"
        b" UNION ALL SELECT 'role', current_user WHERE current_user <> session_user"
        b" UNION ALL SELECT 'lock', locktype FROM pg_locks WHERE pid = pg_backend_pid()"
        b" AND locktype = 'advisory'"
        b" UNION ALL SELECT 'cursor', name FROM pg_cursors WHERE is_holdable"
        b" UNION ALL SELECT 'listening', channel FROM pg_listening_channels() AS channel"
        b" UNION ALL SELECT 'temporary', relname FROM pg_class WHERE relpersistence = 't'"
        b" AND pg_table_is_visible(oid)"
    )
    assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, result.error_message
    status = psycopg.pq.TransactionStatus(connection.pgconn.transaction_status).name
    left = {
        result.get_value(row, 0).decode(): (result.get_value(row, 1) or b"").decode()
        for row in range(result.ntuples)
    }
    return left if status == "IDLE" else {**left, "transaction": status}
