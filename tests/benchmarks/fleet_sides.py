"""Both sides of the fleet's benchmark: processes and databases, with as many tenants each."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.benchmarks.copying import copy_schema
from tests.benchmarks.databases import Database, plain_database, settle, terrace_database
from tests.benchmarks.worker import GRANTS

ROOT = Path(__file__).resolve().parents[2]
TABLES = ["articles_article", "articles_category", "articles_tag", "django_migrations"]
# Copies have the rows' keys and sequences that begin at 1.
_GO_ON_COUNTING = (
    "SELECT setval(pg_get_serial_sequence('\"{target}\".django_migrations', 'id'), 100000)"
)


class Side:
    """One of the processes. See tests/benchmarks/fleet_worker.py."""

    def __init__(self, settings: str, database: Database, folder: Path, *, owns: bool) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings,
            "DATABASE_URL": database.owner_url if owns else database.app_url,
            "DATABASE_ADMIN_URL": database.owner_url,
            "TERRACE_DATA_DIR": str(folder),
            "TERRACE_BENCH_KEY_PREFIX": f"terrace-bench-fleet-{os.getpid()}",
            "PYTHONWARNINGS": "ignore",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.fleet_worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, verb: str, **details: object) -> None:
        """Have something done, without waiting."""
        if self.process.stdin is None:
            raise RuntimeError("The process has no pipes.")
        self.process.stdin.write(json.dumps({"do": verb, **details}) + "\n")
        self.process.stdin.flush()

    def do(self, verb: str, **details: object) -> dict[str, Any]:
        """Have something done, and wait for it."""
        self.ask(verb, **details)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise RuntimeError(f"The process stopped at {verb!r}. Its error is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(timeout=60)


class Fleet:
    """Both sides, with as many tenants each."""

    def __init__(self, stack: ExitStack, tenants: int) -> None:
        self.tenants = tenants
        self.stack = stack
        self.folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="terrace-bench-"))
        )
        self.database = stack.enter_context(terrace_database("bench_fleet_terrace"))
        self.stock_database = stack.enter_context(
            plain_database("bench_fleet_stock", extensions_in="extensions")
        )
        self.terrace = self.another()
        self.stock = Side(
            "tests.benchmarks.stock.settings_fleet", self.stock_database, self.folder, owns=True
        )
        stack.callback(self.stock.close)
        self.houses = self._grow(self.terrace, self.database, GRANTS, leaf())
        self.stock_houses = self._grow(self.stock, self.stock_database, "", leaf())

    def another(self) -> Side:
        """One more process of Terrace."""
        side = Side("tests.benchmarks.fleet_settings", self.database, self.folder, owns=False)
        self.stack.callback(side.close)
        return side

    def _grow(self, side: Side, database: Database, grants: str, start: str) -> list[str]:
        first = side.do("prepare", leaf=start)["schema"]
        schemas: list[str] = side.do("add", number=self.tenants)["schemas"]
        app = urlsplit(database.app_url).username
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            if grants:
                for schema in schemas:
                    connection.execute(f'CREATE ROLE "{schema}"'.encode())
                grants = grants.replace("{app}", f'"{app}"')
                grants += '; REVOKE ALL ON "{target}".django_migrations FROM "{target}"'
            then = f"{grants}; {_GO_ON_COUNTING}" if grants else _GO_ON_COUNTING
            copy_schema(connection, source=first, targets=schemas, then=then)
        settle(database)
        return [first, *schemas]


def leaf() -> str:
    """The newest of the project's own migrations of `articles`."""
    folder = ROOT / "tenant_apps" / "articles" / "migrations"
    return max(path.stem for path in folder.glob("[0-9]*.py"))
