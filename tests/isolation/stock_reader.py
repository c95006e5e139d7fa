"""The same reads with stock django-tenants: `python -m tests.isolation.stock_reader`.

It shows that the test of Terrace's backend can fail: behind PgBouncer in transaction mode, stock
reads other tenants' rows.
"""

import argparse
import contextlib
import json
import os
import random
from urllib.parse import urlsplit

from tests.isolation.reader import Count, run_threads


def main() -> None:
    """Read with django-tenants' own backend, in autocommit, as its users do."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--reads", type=int, default=2_000)
    arguments = parser.parse_args()

    import django
    from django.conf import settings

    url = urlsplit(os.environ["DATABASE_URL"])
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django_tenants.postgresql_backend",
                "NAME": url.path.lstrip("/"),
                "USER": url.username,
                "HOST": url.hostname,
                "PORT": url.port,
                "CONN_MAX_AGE": 600,
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes"],
        USE_TZ=True,
    )
    django.setup()
    from django.db import ProgrammingError, connection

    tenants = json.loads(os.environ["TERRACE_TEST_TENANTS"])
    count = Count()

    def work(number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - the same order each time
        for _ in range(arguments.reads // arguments.threads):
            tenant = chance.choice(tenants)
            connection.set_schema(tenant["schema_name"])
            text = None
            # A server connection that nobody has told its schema yet: no row, and no other tenant's.
            with contextlib.suppress(ProgrammingError), connection.cursor() as cursor:
                cursor.execute("SELECT text FROM probe_note WHERE id = 1")
                text = cursor.fetchone()[0]
            own = f"{tenant['subdomain']}-secret-1"
            count.add(wrong=text is not None and text != own, server=0)
        connection.close()

    print(run_threads(arguments.threads, work, count))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
