"""One side of the fleet's benchmark in a process of its own: Terrace, or stock django-tenants.

    DJANGO_SETTINGS_MODULE=… python -m tests.benchmarks.fleet_worker

It takes orders as lines of JSON on stdin and answers each with a line of JSON on stdout. Times are
seconds, memory is MiB.
"""

import contextlib
import io
import json
import resource
import sys
from time import perf_counter
from typing import Any
from uuid import uuid4

import django
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.benchmarks.rows import OWNER, plant_rows, seed_rows


def timed_quietly(function: Any, *args: Any, **kwargs: Any) -> float:
    """Seconds that a call takes; what it prints is thrown away."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        begun = perf_counter()
        function(*args, **kwargs)
        return perf_counter() - begun


class Terrace:
    """`manage.py migrate`, as it is."""

    def prepare(self, leaf: str) -> dict[str, Any]:
        """The platform, and one tenant from which the caller copies, before the new release."""
        from shared_apps.tenants import context
        from shared_apps.tenants.provisioning import provision_tenant

        call_command("migrate", verbosity=0)
        tenant = provision_tenant(
            name="house-0000", subdomain="house-0000", owner=OWNER, request_id=uuid4()
        )
        call_command("migrate", "articles", leaf, verbosity=0)
        with context.run_in(tenant):
            plant_rows(tenant.subdomain)
        return {"schema": tenant.schema_name}

    def add(self, number: int) -> dict[str, Any]:
        """Rows of so many tenants, whose schemas the caller copies."""
        from shared_apps.tenants.models import Status, Tenant

        made = Tenant.objects.bulk_create(
            Tenant(name=f"house-{n:04}", subdomain=f"house-{n:04}", status=Status.ACTIVE)
            for n in range(1, number)
        )
        return {"schemas": [tenant.schema_name for tenant in made]}

    def migrate(self, name: str = "", only: list[str] | None = None) -> dict[str, Any]:
        """To one migration of `articles`, or to all there is."""
        where = ["articles", name] if name else []
        out = io.StringIO()
        begun = perf_counter()
        try:
            call_command("migrate", *where, verbosity=0, json=True, stdout=out, tenant=only or [])
        except (SystemExit, CommandError) as ended:
            failed = str(ended)
        else:
            failed = ""
        seconds = perf_counter() - begun
        line = out.getvalue().strip().splitlines()[-1]
        return {
            "seconds": seconds,
            "ended": failed,
            "result": json.loads(line),
            "worker_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        }

    def behind(self, name: str) -> dict[str, Any]:
        """How many tenants have how many rows of this migration."""
        from psycopg import sql

        from shared_apps.tenants.models import Tenant
        from shared_apps.tenants.schemas import owner_transaction

        names = list(Tenant.objects.values_list("schema_name", flat=True))
        counts: dict[int, int] = {}
        with owner_transaction() as connection:
            for schema in names:
                table = sql.Identifier(schema, "django_migrations")
                found = connection.execute(
                    sql.SQL("SELECT count(*) FROM {} WHERE app = 'articles' AND name = {}").format(
                        table, name
                    )
                ).fetchone()
                number = int(found[0]) if found else 0
                counts[number] = counts.get(number, 0) + 1
        return {"counts": counts}

    def plant(self, schema: str) -> dict[str, Any]:
        """Files, keys of the cache, a session and tasks that wait, for one tenant."""
        from importlib import import_module

        from django.core.cache import cache
        from django.core.files.base import ContentFile
        from django.core.files.storage import default_storage

        from shared_apps.tenants import context
        from shared_apps.tenants.models import Tenant
        from tests.benchmarks.fairness_tasks import quiet

        tenant = Tenant.objects.get(schema_name=schema)
        with context.run_in(tenant):
            for number in range(20):
                default_storage.save(f"photos/{number}.bin", ContentFile(b"x" * 10_000))
                cache.set(f"benchmark-{number}", "x" * 100)
            session = import_module(settings.SESSION_ENGINE).SessionStore()
            session["cart"] = [1, 2, 3]
            session.save()
            for _ in range(50):
                quiet.delay(0.0)
        return {"uuid": tenant.uuid.hex}

    def erase(self, schema: str) -> dict[str, Any]:
        """One tenant, for good: how long it took, and its certificate."""
        from shared_apps.tenants import lifecycle
        from shared_apps.tenants.models import Tenant

        tenant = Tenant.objects.get(schema_name=schema)
        begun = perf_counter()
        lifecycle.erase_tenant(tenant=tenant, reason="benchmark", by="benchmark", force=True)
        seconds = perf_counter() - begun
        return {"seconds": seconds, "certificate": lifecycle.certificate_of(tenant).as_json()}

    def hashes(self, tables: list[str]) -> dict[str, Any]:
        """How many different readings of these tables there are over the fleet."""
        from shared_apps.tenants.fleet.detection import table_hashes
        from shared_apps.tenants.models import Tenant

        names = list(Tenant.objects.values_list("schema_name", flat=True))
        return {"different": len(set(table_hashes(names, tables).values()))}


class Stock:
    """django-tenants' executors."""

    def __init__(self) -> None:
        self._patched = False

    def prepare(self, leaf: str) -> dict[str, Any]:
        """The public schema and one tenant, from which the caller copies."""
        from django_tenants.utils import schema_context

        from tests.benchmarks.stock.tenancy.models import StockTenant

        call_command("migrate_schemas", shared=True, verbosity=0)
        tenant = StockTenant(schema_name="house_0000", name="house-0000")
        tenant.save(verbosity=0)
        self._run([tenant.schema_name], "standard", leaf)
        with schema_context(tenant.schema_name):
            seed_rows()
            plant_rows(tenant.name)
        return {"schema": tenant.schema_name}

    def add(self, number: int) -> dict[str, Any]:
        """Rows of so many tenants, whose schemas the caller copies."""
        from tests.benchmarks.stock.tenancy.models import StockTenant

        made = StockTenant.objects.bulk_create(
            StockTenant(schema_name=f"house_{n:04}", name=f"house-{n:04}") for n in range(1, number)
        )
        return {"schemas": [tenant.schema_name for tenant in made]}

    def patch(self, is_patched: bool) -> dict[str, Any]:
        """Let MigrationRecorder find its table by name, or by listing all as released."""
        from django.db.migrations.recorder import MigrationRecorder

        if not hasattr(self, "_released"):
            self._released = MigrationRecorder.has_table

        def by_name(recorder: Any) -> bool:
            with recorder.connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL")
                return bool(cursor.fetchone()[0])

        MigrationRecorder.has_table = by_name if is_patched else self._released  # type: ignore[method-assign]
        return {}

    def run(self, schemas: list[str], executor: str, name: str = "") -> dict[str, Any]:
        """Seconds a tenant, of these tenants alone."""
        seconds = self._run(schemas, executor, name)
        return {"a_tenant": seconds / len(schemas)}

    def _run(self, schemas: list[str], executor: str, name: str) -> float:
        from django.core.management import get_commands, load_command_class
        from django_tenants.migration_executors import get_executor

        get_commands()
        command = load_command_class("django_tenants", "migrate_schemas")
        parser = command.create_parser("manage.py", "migrate_schemas")
        options = vars(parser.parse_args([*(["articles", name] if name else []), "-v", "0"]))
        options = {**options, "skip_checks": True, "executor": executor}
        args = options.pop("args", ())
        return timed_quietly(
            get_executor(codename=executor)(args, options).run_migrations, list(schemas)
        )


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
