"""Reads of two tenants from many threads, counted: `python -m tests.isolation.reader`.

A program of its own, so that the settings (DATABASE_URL of a pooler, TERRACE_POOL_SIZE) are its own.
Prints one line of JSON: reads, wrong rows, errors, and how many server connections were seen.
"""

import argparse
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID


@dataclass
class Count:
    """What the threads saw."""

    reads: int = 0
    wrong: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    servers: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, wrong: bool, server: int) -> None:
        """Count one read."""
        with self.lock:
            self.reads += 1
            self.wrong += wrong
            self.servers.add(server)


def run_threads(threads: int, work: Callable[[int], None], count: Count) -> str:
    """Run `work(thread number)` in each thread, and say what was counted."""

    def guarded(number: int) -> None:
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - any error is counted and shown
            with count.lock:
                count.errors[f"{type(error).__name__}: {error}"[:200]] += 1

    workers = [threading.Thread(target=guarded, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return json.dumps(
        {
            "reads": count.reads,
            "wrong": count.wrong,
            "errors": count.errors,
            "servers": len(count.servers),
        }
    )


def main() -> None:
    """Read with Terrace's backend, now in autocommit, now in a transaction, now a raw query."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--reads", type=int, default=10_000)
    arguments = parser.parse_args()

    import django
    from django.conf import settings

    if database := os.environ.get("TERRACE_TEST_DATABASE"):
        settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from django.db import connection, transaction

    from shared_apps.tenants import context
    from shared_apps.tenants.context import TenantRef
    from tests.isolation.probe.models import Note

    tenants = [
        TenantRef(**{**row, "uuid": UUID(row["uuid"])})
        for row in json.loads(os.environ["TERRACE_TEST_TENANTS"])
    ]
    count = Count()

    def read_row() -> str:
        return Note.objects.get(pk=1).text

    def read_raw() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT text FROM probe_note WHERE id = 1")
            return str(cursor.fetchone()[0])

    def read_in_transaction() -> str:
        with transaction.atomic():
            first = Note.objects.get(pk=1).text
            second = read_raw()
        return first if first == second else f"{first} and {second}"

    def read_in_chunks() -> str:
        with transaction.atomic():
            return next(iter(Note.objects.filter(pk=1).iterator())).text

    ways = [read_row, read_raw, read_in_transaction, read_in_chunks]

    def work(number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - the same order each time
        for _ in range(arguments.reads // arguments.threads):
            tenant = chance.choice(tenants)
            with context.run_in(tenant):
                text = chance.choice(ways)()
            server = connection.connection.info.backend_pid
            count.add(wrong=text != f"{tenant.subdomain}-secret-1", server=server)
            if chance.random() < 0.02:
                connection.close()
        connection.close()

    print(run_threads(arguments.threads, work, count))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
