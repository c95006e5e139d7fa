"""Stock django-tenants with Terrace's tables and the benchmark's migrations."""

from tests.benchmarks.stock.settings_same_tables import *

MIGRATION_MODULES = {
    **MIGRATION_MODULES,
    "articles": "tests.benchmarks.fleet_migrations.articles",
}
