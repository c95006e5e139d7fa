"""Terrace with the benchmark's migrations."""

from tests.benchmarks.terrace_settings import *

TERRACE_READY_POOL_SIZE = 0
MIGRATION_MODULES = {
    **MIGRATION_MODULES,
    "articles": "tests.benchmarks.fleet_migrations.articles",
}
