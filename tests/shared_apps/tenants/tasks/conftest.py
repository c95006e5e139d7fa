"""A worker for the tests of this folder, and tenants that are really committed."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from shared_apps.tenants.keys import new_schema_name
from shared_apps.tenants.tasks import admission
from tests.shared_apps.tenants.tasks import sample_tasks  # noqa: F401 - registers the tasks here
from tests.shared_apps.tenants.tasks.workers import Worker, running_worker


@pytest.fixture(autouse=True)
def _fresh_tenants() -> None:
    admission.forget_tenants()


@pytest.fixture(scope="module")
def worker(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker with two processes; it does nothing until a test publishes."""
    with running_worker(Path(tmp_path_factory.mktemp("worker"))) as running:
        yield running


@pytest.fixture
def committed_tenant(db: None) -> Iterator[Callable[[str], uuid.UUID]]:
    """`committed_tenant(status)`: the row of a tenant without a schema, seen by other processes."""
    url = os.environ["DATABASE_ADMIN_URL"]
    made: list[uuid.UUID] = []
    name = settings.DATABASES["default"]["NAME"]
    with psycopg.connect(url, dbname=name, autocommit=True) as connection:

        def make(status: str) -> uuid.UUID:
            key = uuid.uuid4()
            schema = new_schema_name()
            connection.execute(
                "INSERT INTO tenants_tenant"
                " (uuid, schema_name, name, subdomain, status, placement, created_at)"
                " VALUES (%s, %s, %s, %s, %s, 'main', now())",
                [key, schema, status, f"{status[:8]}-{schema[2:8]}".replace("_", "-"), status],
            )
            made.append(key)
            return key

        yield make
        connection.execute("DELETE FROM tenants_tenant WHERE uuid = ANY(%s)", [made])
