"""Leak list 24, and the neighbours of a tenant that ends: they keep every row, key, file and task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from shared_apps.tenants import context, lifecycle
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import Tenant
from shared_apps.tenants.postgresql.catalogue import describe_schema, table_names
from shared_apps.tenants.schemas import owner_transaction
from tests.isolation.probe.models import Note
from tests.shared_apps.tenants.conftest import (  # noqa: F401 - fixtures
    TenantMaker,
    committed,
    make_tenant,
    media,
)
from tests.shared_apps.tenants.tasks.sample_tasks import tell

WORDS = {"reason": "the customer asked for it", "by": "op@example.com"}
Visit = Callable[..., Any]


@pytest.fixture
def street(make_tenant: TenantMaker, media: Path) -> list[Tenant]:  # noqa: F811
    """Three tenants with equal keys, names of files and rows; the middle one will end."""
    tenants = [make_tenant(name) for name in ("hooli", "initech", "umbrella")]
    for tenant in tenants:
        with context.run_in(tenant):
            Note.objects.create(id=1, text=f"{tenant.subdomain}-secret")
            cache.set("secret", tenant.subdomain)
            default_storage.save("secret.txt", ContentFile(tenant.subdomain.encode()))
            tell.delay(tenant.subdomain)
    return tenants


def _everything(tenant: Tenant) -> dict[str, Any]:
    """Rows, catalogue, keys, files and messages of one tenant."""
    found: dict[str, Any] = {}
    with owner_transaction() as owner:
        found["catalogue"] = describe_schema(owner, tenant.schema_name)
        for table in table_names(owner, tenant.schema_name):
            name = f"{tenant.schema_name}.{table}"
            rows = owner.execute(f"SELECT t::text FROM {name} AS t ORDER BY 1".encode())
            found[table] = rows.fetchall()
    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        for key in sorted(client.scan_iter(match=f"*{tenant.uuid.hex}*")):
            kind = client.type(key)
            found[str(key)] = client.lrange(key, 0, -1) if kind == b"list" else client.get(key)
    folder = Path(django_settings.MEDIA_ROOT) / tenant.uuid.hex
    found["files"] = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found


def test_erasing_one_leaves_the_neighbours_as_they_were(street: list[Tenant]) -> None:
    hooli, initech, umbrella = street
    before = {tenant.pk: _everything(tenant) for tenant in (hooli, umbrella)}
    assert all(len(found) > 15 for found in before.values())

    lifecycle.erase_tenant(tenant=initech, force=True, **WORDS)

    assert {tenant.pk: _everything(tenant) for tenant in (hooli, umbrella)} == before
    for tenant in (hooli, umbrella):
        with context.run_in(tenant):
            assert cache.get("secret") == tenant.subdomain
            assert Note.objects.get(id=1).text == f"{tenant.subdomain}-secret"
            assert Note.objects.create(id=2, text="goes on").pk


def test_neighbours_tasks_are_still_delivered(street: list[Tenant]) -> None:
    from celery import current_app

    hooli, initech, umbrella = street
    lifecycle.erase_tenant(tenant=initech, force=True, **WORDS)
    taken = []
    with current_app.connection_for_read() as broker:
        queue = broker.SimpleQueue(django_settings.CELERY_TASK_DEFAULT_QUEUE)
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                break
            message.ack()
            taken.append(message.headers["terrace_tenant"].partition(":")[0])
        queue.close()
    assert sorted(taken) == sorted([hooli.uuid.hex, umbrella.uuid.hex])


def test_host_of_an_erased_tenant_tells_nothing(street: list[Tenant]) -> None:
    initech = street[1]
    lifecycle.erase_tenant(tenant=initech, force=True, **WORDS)
    answer = Client(headers={"host": initech.primary_hostname}).get("/")
    nobody = Client(headers={"host": "nobody.localhost"}).get("/")
    assert (answer.status_code, answer.content) == (404, nobody.content)
    assert dict(answer.headers) == dict(nobody.headers)


def test_cloning_one_leaves_the_neighbours_as_they_were(street: list[Tenant]) -> None:
    before = {tenant.pk: _everything(tenant) for tenant in street}
    copy = lifecycle.clone_tenant(
        source=street[1],
        name="Copy",
        subdomain="copy",
        with_data=True,
        request_id=uuid7(),
        **WORDS,
    )
    assert {tenant.pk: _everything(tenant) for tenant in street} == before
    found = str(_everything(copy))
    assert "initech-secret" in found
    assert "hooli-secret" not in found
    assert "umbrella-secret" not in found


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO probe_note (text) VALUES ('x')",
        "UPDATE probe_note SET text = 'x'",
        "DELETE FROM probe_note",
        "UPDATE users_user SET password = 'x'",
        "WITH x AS (DELETE FROM probe_note RETURNING 1) SELECT * FROM x",
        "SELECT 1 FROM probe_note FOR UPDATE",
    ],
)
@pytest.mark.parametrize("view", ["whole", "whole-outside"])
def test_read_only_is_kept_through_careless_views(
    statement: str, view: str, street: list[Tenant], visit: Visit
) -> None:
    hooli, initech, _ = street
    writable = visit(hooli.ref, view, sql="UPDATE probe_note SET text = text RETURNING text")
    assert writable == {"rows": [["hooli-secret"]]}  # such a view does write
    lifecycle.make_read_only(tenant=initech, **WORDS)

    answer = visit(initech.ref, view, sql=statement)

    assert answer["refused"] == "ProgrammingError"
    assert "permission denied" in answer["why"]
    assert visit(initech.ref, view, sql="SELECT text FROM probe_note") == {
        "rows": [["initech-secret"]]
    }


def test_role_cannot_give_itself_the_right_to_write(street: list[Tenant], visit: Visit) -> None:
    initech = street[1]
    lifecycle.make_read_only(tenant=initech, **WORDS)
    name = initech.schema_name
    for statement in (
        f"GRANT INSERT ON probe_note TO {name}",
        f"SET ROLE {name}",
        "RESET ROLE",
        "SET TRANSACTION READ WRITE",
        f"INSERT INTO {name}.probe_note (text) VALUES ('x')",
    ):
        assert "refused" in visit(initech.ref, "whole-outside", sql=statement), statement
