"""One variant's own process: Django under its settings, driven through the WSGI handler.

    DJANGO_SETTINGS_MODULE=… python -m tests.benchmarks.worker

It takes orders as lines of JSON on stdin and answers each with a line of JSON on stdout.
"""

import json
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from itertools import cycle, islice
from time import perf_counter_ns
from typing import Any
from uuid import uuid4

import django
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from tests.benchmarks.rows import OWNER, plant_rows, seed_rows

_ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "QUERY_STRING": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_ACCEPT": "*/*",
    "HTTP_ACCEPT_LANGUAGE": "en",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


class Door:
    """Calls the WSGI application as a server does, to the last byte and `close()`."""

    def __init__(self) -> None:
        self._application: Callable[..., Iterable[bytes]] = get_wsgi_application()
        self._hosts: dict[str, Any] = {}

    def get(self, host: str, path: str) -> tuple[str, bytes]:
        """The status line and the body.

        Args:
            path: with a query or without.
        """
        status = []
        path, _, query = path.partition("?")

        def start_response(line: str, headers: object, exc_info: object = None) -> None:
            status.append(line)

        environ = {
            **_ENVIRON,
            "HTTP_HOST": host,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "wsgi.input": BytesIO(),
        }
        answer = self._application(environ, start_response)
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        return status[0], body

    def time(self, hosts: list[str], path: str, count: int) -> list[float]:
        """Microseconds of each of `count` requests; the next call goes on at the next host."""
        turn = self._hosts.setdefault(f"{path} {len(hosts)}", cycle(hosts))
        taken = []
        for host in islice(turn, count):
            begun = perf_counter_ns()
            status, _ = self.get(host, path)
            taken.append((perf_counter_ns() - begun) / 1000)
            if not status.startswith("200"):
                raise RuntimeError(f"{host}{path} answered {status}.")
        return taken


def prepare_bare() -> dict[str, Any]:
    """Tables and rows, in the one schema."""
    call_command("migrate", verbosity=0)
    seed_rows()
    plant_rows("bare")
    return {}


def prepare_stock() -> dict[str, Any]:
    """The public schema, and one tenant by `save()`."""
    from django_tenants.utils import schema_context

    from tests.benchmarks.stock.tenancy.models import StockTenant

    call_command("migrate_schemas", shared=True, verbosity=0)
    tenant = StockTenant(schema_name="house_0000", name="house-0000")
    tenant.save(verbosity=0)
    with schema_context(tenant.schema_name):
        seed_rows()
        plant_rows(tenant.name)
    return {"schema": tenant.schema_name}


def add_stock(names: list[str]) -> dict[str, Any]:
    """Rows of tenants and domains; their schemas are copied by the caller."""
    from tests.benchmarks.stock.tenancy.models import StockDomain, StockTenant

    there = set(StockTenant.objects.values_list("name", flat=True))
    StockTenant.objects.bulk_create(
        StockTenant(schema_name=name.replace("-", "_"), name=name)
        for name in names
        if name not in there
    )
    domained = set(StockDomain.objects.values_list("tenant__name", flat=True))
    StockDomain.objects.bulk_create(
        StockDomain(tenant=tenant, domain=f"{tenant.name}.localhost", is_primary=True)
        for tenant in StockTenant.objects.filter(name__in=set(names) - domained)
    )
    return {"schemas": dict(StockTenant.objects.values_list("name", "schema_name"))}


def prepare_terrace() -> dict[str, Any]:
    """The public schema, the template, and one tenant as a sign-up makes it."""
    from shared_apps.tenants import context
    from shared_apps.tenants.provisioning import provision_tenant

    call_command("migrate", verbosity=0)
    tenant = provision_tenant(
        name="house-0000", subdomain="house-0000", owner=OWNER, request_id=uuid4()
    )
    with context.run_in(tenant):
        plant_rows(tenant.subdomain)
    return {"schema": tenant.schema_name}


# What a tenant's role may do: shared_apps/tenants/postgresql says why.
GRANTS = (
    'GRANT USAGE ON SCHEMA "{target}" TO "{target}"; '
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{target}" TO "{target}"; '
    'GRANT "{target}" TO {app} WITH INHERIT FALSE, SET TRUE'
)


def add_terrace(names: list[str]) -> dict[str, Any]:
    """Rows of tenants and domains; their schemas are copied by the caller."""
    from django.db import transaction
    from django.utils import timezone

    from shared_apps.domains.models import Domain
    from shared_apps.tenants.models import Status, Tenant

    there = set(Tenant.objects.values_list("subdomain", flat=True))
    new = Tenant.objects.bulk_create(
        Tenant(name=name, subdomain=name, status=Status.ACTIVE)
        for name in names
        if name not in there
    )
    with transaction.atomic():
        Domain.objects.bulk_create(
            Domain(
                tenant=tenant,
                domain=f"{tenant.subdomain}.localhost",
                is_primary=True,
                verified_at=timezone.now(),
            )
            for tenant in new
        )
    return {"schemas": dict(Tenant.objects.values_list("subdomain", "schema_name"))}


def main() -> None:
    """Answer orders until stdin ends."""
    django.setup()
    door = Door()

    def check(hosts: list[str], path: str, marks: list[str]) -> dict[str, Any]:
        for host, mark in zip(hosts, marks, strict=True):
            status, body = door.get(host, path)
            if not status.startswith("200") or mark.encode() not in body:
                raise RuntimeError(
                    f"{host}{path} answered {status} without {mark!r}: {body[:300]!r}"
                )
        return {}

    orders: dict[str, Callable[..., dict[str, Any]]] = {
        "prepare_bare": prepare_bare,
        "prepare_stock": prepare_stock,
        "prepare_terrace": prepare_terrace,
        "add_stock": add_stock,
        "add_terrace": add_terrace,
        "check": check,
        "time": lambda **order: {"microseconds": door.time(**order)},
    }
    for line in sys.stdin:
        order = json.loads(line)
        answer = orders[order.pop("do")](**order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
