"""A process of the undo's benchmark: the archive's verbs, or the neighbour's visitors.

    DJANGO_SETTINGS_MODULE=tests.benchmarks.terrace_settings python -m tests.benchmarks.undo_worker

It takes orders as lines of JSON on stdin and answers each with a line of JSON on stdout. Times are
milliseconds, memory is MiB.
"""

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import django
from django.core.management import call_command

TABLE_SHARES = {"articles": 0.3, "tags": 0.3, "entries": 0.4}
_BODY = "The stairs are swept on Mondays, the bins go out on Thursdays. " * 16


def memory(field: str) -> float:
    """VmRSS (now) or VmHWM (the highest since it was reset) of this process."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}.")
    return int(found.group(1)) / 1024


def measured(function: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """How long it took, by how much memory grew at most, and what it gave."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # resets VmHWM (proc(5))
    before = memory("VmRSS")
    begun = perf_counter()
    result = function()
    taken = (perf_counter() - begun) * 1000
    return {"ms": taken, "grew": memory("VmHWM") - before}, result


class Worker:
    """The verbs."""

    def prepare(self) -> dict[str, Any]:
        """The public schema and the template."""
        call_command("migrate", verbosity=0)
        return {}

    def make(self, subdomain: str, rows: int, media: int) -> dict[str, Any]:
        """A tenant with so many rows, and one file of so many MiB."""
        from shared_apps.tenants import context, provisioning
        from shared_apps.tenants.keys import uuid7
        from tests.benchmarks.rows import OWNER

        tenant = provisioning.provision_tenant(
            name=subdomain.title(), subdomain=subdomain, owner=OWNER, request_id=uuid7()
        )
        with context.run_in(tenant):
            self._plant(rows, media)
        return {"schema": tenant.schema_name}

    def _plant(self, rows: int, media: int) -> None:
        import secrets

        from django.core.files.base import ContentFile
        from django.core.files.storage import default_storage

        from tenant_apps.activity.models import Entry
        from tenant_apps.articles.models import Article, Tag
        from tenant_apps.users.models import User

        author = User.objects.get()
        tag = Tag.objects.create(name="house", slug="house")
        articles = int(rows * TABLE_SHARES["articles"])
        for start in range(0, articles, 1000):
            made = Article.objects.bulk_create(
                Article(title=f"Article {n}", slug=f"article-{n}", body=_BODY, author=author)
                for n in range(start, min(start + 1000, articles))
            )
            through = Article.tags.through
            through.objects.bulk_create(
                through(article_id=article.pk, tag_id=tag.pk) for article in made
            )
        Entry.objects.bulk_create(
            (
                Entry(verb="planted", object_type="x", object_id=str(n), object_label="x")
                for n in range(int(rows * TABLE_SHARES["entries"]))
            ),
            batch_size=1000,
        )
        if media:
            content = ContentFile(secrets.token_bytes(media * 1024 * 1024))
            default_storage.save("large.bin", content)

    def export(self, subdomain: str, path: str) -> dict[str, Any]:
        """To a file."""
        from shared_apps.tenants.archive.writing import export_tenant

        tenant = self._tenant(subdomain)
        figures, exported = measured(lambda: export_tenant(tenant=tenant, target=Path(path)))
        return {**figures, "rows": exported.rows, "bytes": Path(path).stat().st_size}

    def take_in(self, path: str, subdomain: str) -> dict[str, Any]:
        """From a file, under another name."""
        from shared_apps.tenants.archive.importing import import_archive

        figures, _ = measured(
            lambda: import_archive(source=Path(path), by="benchmark", subdomain=subdomain)
        )
        return dict(figures)

    def refused(self, path: str) -> dict[str, Any]:
        """As what an import of this file is refused."""
        from shared_apps.tenants.archive.errors import ArchiveError
        from shared_apps.tenants.archive.importing import import_archive

        try:
            import_archive(source=Path(path), by="benchmark", subdomain="refused")
        except ArchiveError as error:
            return {"error": type(error).__name__}
        return {"error": ""}

    def tables(self, subdomain: str) -> dict[str, Any]:
        """Each table's rows and their hash, and the catalogue's fingerprint."""
        from shared_apps.tenants.archive.drills import read_tables
        from shared_apps.tenants.postgresql.catalogue import describe_schema
        from shared_apps.tenants.schemas import owner_transaction

        schema_name = self._tenant(subdomain).schema_name
        with owner_transaction() as connection:
            fingerprint = describe_schema(connection, schema_name).fingerprint
        found = {table.name: [table.rows, table.sha256] for table in read_tables(schema_name)}
        found.pop("django_session", None)
        return {"tables": found, "fingerprint": fingerprint, "schema": schema_name}

    def back_up(self, subdomain: str) -> dict[str, Any]:
        """Tonight's backup."""
        from shared_apps.tenants.archive.backups import back_up_tenant

        tenant = self._tenant(subdomain)
        figures, _ = measured(lambda: back_up_tenant(tenant=tenant))
        return dict(figures)

    def spoil(self, subdomain: str) -> dict[str, Any]:
        """What the customer wants undone."""
        from shared_apps.tenants import context
        from tenant_apps.articles.models import Article

        with context.run_in(self._tenant(subdomain)):
            Article.tags.through.objects.all().delete()
            deleted, _ = Article.objects.all().delete()
        return {"deleted": deleted}

    def preview(self, subdomain: str) -> dict[str, Any]:
        """From the backup to a host that its owner can open, differences and all."""
        from shared_apps.tenants.archive.undo import open_preview, preview_link

        tenant = self._tenant(subdomain)
        figures, preview = measured(lambda: open_preview(tenant=tenant, by="benchmark"))
        preview_link(preview=preview)
        return {**figures, "differences": preview.differences}

    def swap(self, subdomain: str) -> dict[str, Any]:
        """The whole verb; `transaction` is the part in which the tenant's writers wait."""
        from shared_apps.tenants.archive import undo
        from shared_apps.tenants.models import Preview

        preview = Preview.objects.get(tenant=self._tenant(subdomain), swapped_at=None)
        inner: list[float] = []
        original = undo._exchange_now

        def timed(*args: Any, **kwargs: Any) -> Any:
            begun = perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                inner.append((perf_counter() - begun) * 1000)

        undo._exchange_now = timed
        try:
            figures, _ = measured(
                lambda: undo.swap_preview(preview=preview, by="benchmark", reason="benchmark")
            )
        finally:
            undo._exchange_now = original
        return {**figures, "transaction": sum(inner), "attempts": len(inner)}

    def take_back(self, subdomain: str) -> dict[str, Any]:
        """The undo of the undo."""
        from shared_apps.tenants.archive.undo import undo_swap
        from shared_apps.tenants.models import UndoneSchema

        undone = UndoneSchema.objects.get(
            tenant=self._tenant(subdomain), brought_back_at=None, dropped_at=None
        )
        figures, _ = measured(lambda: undo_swap(undone=undone, by="benchmark", reason="benchmark"))
        return dict(figures)

    # --- The neighbour's visitors ----------------------------------------------------------------

    def start_traffic(self, subdomain: str) -> dict[str, Any]:
        """A reader and a writer on this tenant, until stop_traffic."""
        self._stop = threading.Event()
        self._counts = {"reads": 0, "writes": 0, "slowest": 0.0}
        self._errors: list[str] = []
        tenant = self._tenant(subdomain).ref
        self._threads = [
            threading.Thread(target=self._go_on, args=(tenant, work), daemon=True)
            for work in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()
        return {}

    def stop_traffic(self) -> dict[str, Any]:
        """What it came to."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        return {**self._counts, "errors": self._errors[:5], "failed": len(self._errors)}

    def _go_on(self, tenant: Any, work: Callable[[Any], None]) -> None:
        from django.db import connections

        while not self._stop.is_set():
            begun = perf_counter()
            try:
                work(tenant)
            except Exception as error:  # noqa: BLE001 - each one is counted
                self._errors.append(f"{type(error).__name__}: {error}")
            taken = (perf_counter() - begun) * 1000
            self._counts["slowest"] = max(self._counts["slowest"], taken)
        connections.close_all()

    def _read(self, tenant: Any) -> None:
        """A page, through every layer."""
        from django.test import Client

        answer = Client(headers={"host": tenant.hostname}).get("/articles/")
        if answer.status_code != 200:
            raise RuntimeError(f"The neighbour's page answered {answer.status_code}.")
        self._counts["reads"] += 1

    def _write(self, tenant: Any) -> None:
        from django.db import transaction

        from shared_apps.tenants import context
        from tenant_apps.articles.models import Tag

        number = self._counts["writes"]
        with context.run_in(tenant), transaction.atomic():
            Tag.objects.create(name=f"w{number}", slug=f"w{number}")
        self._counts["writes"] += 1

    def _tenant(self, subdomain: str) -> Any:
        from shared_apps.tenants.models import Tenant

        return Tenant.objects.get(subdomain=subdomain)


def main() -> None:
    """Answer orders until stdin ends."""
    django.setup()
    worker: Any = Worker()
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(worker, order.pop("do"))(**order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
