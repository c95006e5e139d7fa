"""One side of the sign-up's benchmark in a process of its own: Terrace, or stock django-tenants.

    DJANGO_SETTINGS_MODULE=… python -m tests.benchmarks.signup_worker

It takes orders as lines of JSON on stdin and answers each with a line of JSON on stdout. Times are
milliseconds.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import django
import psycopg
from django.conf import settings
from django.core import mail
from django.core.management import call_command

_numbers = count(1)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what it gave."""
    begun = perf_counter()
    result = function()
    return (perf_counter() - begun) * 1000, result


def describe(connection: psycopg.Connection[Any], schema_name: str) -> dict[str, Any]:
    """The schema's structure by name, its hash, and what the tenant apps have applied."""
    from shared_apps.tenants.postgresql.catalogue import describe_schema

    described = describe_schema(connection, schema_name)
    labels = {name.rpartition(".")[2] for name in settings.TENANT_APPS}
    return {
        "structure": dict(described.structure),
        "hash": described.structure_hash,
        "migrations": sorted([*pair] for pair in described.migrations if pair[0] in labels),
    }


# --- Terrace -----------------------------------------------------------------------------------


class Terrace:
    """The verbs of sign-up, one after the other."""

    def __init__(self) -> None:
        from shared_apps.tenants import provisioning, ready_pool
        from shared_apps.tenants.claiming import claim_tenant
        from shared_apps.tenants.keys import new_schema_name, uuid7
        from shared_apps.tenants.models import SchemaTemplate
        from shared_apps.tenants.registry import OwnerDetails

        self._provisioning = provisioning
        self._claim = claim_tenant
        self._pool = ready_pool
        self._new_name = new_schema_name
        self._uuid7 = uuid7
        self._template = SchemaTemplate
        self._owner = OwnerDetails(
            email="owner@example.com", full_name="Olga Owner", password_hash="argon2$bench"
        )

    def prepare(self) -> dict[str, Any]:
        """Schema of the public site, template, and whatever a process loads once."""
        call_command("migrate", verbosity=0)
        self._bare = psycopg.connect(self.owner_url, autocommit=True)
        self.fill(3)
        self.claim()
        self.first_page()
        return {}

    def grow(self, tenants: int) -> dict[str, Any]:
        """Sign up until there are so many tenants."""
        from shared_apps.tenants.models import Tenant

        missing = tenants - Tenant.objects.count()
        while missing > 0:
            self._pool.fill(min(missing, 50))
            for _ in range(min(missing, 50)):
                self._provision(f"grown-{next(_numbers)}")
            missing = tenants - Tenant.objects.count()
        return {}

    def fill(self, ready: int) -> dict[str, Any]:
        """Have so many schemas ready, as a worker does between sign-ups."""
        self._pool.fill(ready)
        return {}

    def claim(self) -> dict[str, Any]:
        """The transaction that makes a tenant live, and the whole of a provisioning."""
        request_id = self._uuid7()
        self._provisioning._reserve(
            name="Claim",
            subdomain=f"claim-{next(_numbers)}",
            owner=self._owner,
            request_id=request_id,
        )
        claim, claimed = timed(lambda: self._claim(request_id=request_id))
        self._provisioning._open(request_id, claimed)
        whole, _ = timed(lambda: self._provision(f"whole-{next(_numbers)}"))
        return {"claim": claim, "whole": whole}

    def build(self) -> dict[str, Any]:
        """With an empty pool: what PostgreSQL needs for the bare DDL, our schema, the whole."""
        name = self._new_name()
        statements = ";\n".join(self._template.objects.get().statements)
        bare_ddl = (
            f"BEGIN; CREATE SCHEMA {name}; SET LOCAL search_path = {name}; {statements}; COMMIT"
        )
        bare, _ = timed(lambda: self._bare.execute(bare_ddl.encode()))
        self._bare.execute(f"DROP SCHEMA {name} CASCADE".encode())
        request_id = self._uuid7()
        built, _ = timed(lambda: self._pool.build_schema(request_id=request_id))
        self._pool.release_schema(request_id=request_id)
        self._provision(f"built-{next(_numbers)}")
        whole, _ = timed(lambda: self._provision(f"empty-{next(_numbers)}"))
        return {"bare": bare, "built": built, "whole": whole}

    def first_page(self) -> dict[str, Any]:
        """From the POST of the form, by a verified visitor, to the tenant's first page."""
        from django.test import Client

        number = next(_numbers)
        # An address of its own for each visitor: the throttle counts by it.
        visitor = {"REMOTE_ADDR": f"10.0.{number // 250}.{number % 250 + 1}"}
        public = Client(headers={"host": settings.TERRACE_BASE_DOMAIN}, **visitor)
        self._verify(public, f"owner-{number}@example.com")
        form = {
            "name": f"First {number}",
            "subdomain": f"first-{number}",
            "full_name": "Olga Owner",
            "password": "a long and winding road",
        }
        begun = perf_counter()
        answer = public.post("/sign-up/workspace/", form)
        posted = (perf_counter() - begun) * 1000
        host = f"first-{number}.{settings.TERRACE_BASE_DOMAIN}"
        tenant = Client(headers={"host": host}, **visitor)
        hops = 0
        while answer.status_code in {301, 302, 303} and hops < 6:
            parts = urlsplit(answer["Location"])
            if parts.netloc and parts.hostname != host:
                raise RuntimeError(f"Sent to {answer['Location']} instead of {host}.")
            answer = tenant.get(f"{parts.path}?{parts.query}".rstrip("?"))
            hops += 1
        whole = (perf_counter() - begun) * 1000
        page = answer.content.decode()
        if answer.status_code != 200 or "Olga Owner" not in page:
            raise RuntimeError(
                f"{host} answered {answer.status_code}, not its owner's page: {page}"
            )
        return {"posted": posted, "whole": whole}

    def fingerprint(self) -> dict[str, Any]:
        """A schema of the pool, described."""
        from shared_apps.tenants.models import ReadySchema

        self._pool.fill(1)
        with psycopg.connect(self.owner_url) as connection:
            return describe(connection, ReadySchema.objects.values_list("name", flat=True)[0])

    @property
    def owner_url(self) -> str:
        """The owner's way into the database."""
        return os.environ["DATABASE_ADMIN_URL"]

    def _provision(self, subdomain: str) -> Any:
        return self._provisioning.provision_tenant(
            name=subdomain, subdomain=subdomain, owner=self._owner, request_id=self._uuid7()
        )

    def _verify(self, public: Any, email: str) -> None:
        from shared_apps.front_door import signing_up
        from shared_apps.front_door.models import SignUp

        public.post("/sign-up/", {"email": email})
        # What the worker does with the task.
        signing_up.send_new_code(SignUp.objects.get(email=email).pk)
        found = re.search(r"\b(\d{3}) ?(\d{3})\b", mail.outbox.pop().body)
        if found is None:
            raise RuntimeError("The mail has no code.")
        public.post("/sign-up/code/", {"code": "".join(found.groups())})


# --- Stock -------------------------------------------------------------------------------------


class Stock:
    """`Tenant.save()`, as django-tenants has it."""

    def prepare(self) -> dict[str, Any]:
        """The public schema and one tenant, from which the caller copies."""
        call_command("migrate_schemas", shared=True, verbosity=0)
        return {"schema": self.save()["schema"]}

    def add(self, names: list[str]) -> dict[str, Any]:
        """Rows of tenants whose schemas the caller copies."""
        from tests.benchmarks.stock.tenancy.models import StockTenant

        StockTenant.objects.bulk_create(StockTenant(schema_name=name, name=name) for name in names)
        return {}

    def save(self) -> dict[str, Any]:
        """One tenant and its domain."""
        from tests.benchmarks.stock.tenancy.models import StockDomain, StockTenant

        name = f"saved_{next(_numbers)}"
        tenant = StockTenant(schema_name=name, name=name)
        taken, _ = timed(lambda: tenant.save(verbosity=0))
        StockDomain.objects.create(tenant=tenant, domain=f"{name}.localhost", is_primary=True)
        return {"save": taken, "schema": name}

    def fingerprint(self, schema: str) -> dict[str, Any]:
        """A schema that `save()` made, described."""
        from django.db import connection

        connection.set_schema_to_public()
        return describe(connection.connection, schema)


def main() -> None:
    """Answer orders until stdin ends."""
    django.setup()
    is_stock = "django_tenants" in settings.INSTALLED_APPS
    side: Any = Stock() if is_stock else Terrace()
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(side, order.pop("do"))(**order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
