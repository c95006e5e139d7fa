"""(b) The same tenant apps on stock django-tenants 4.0.1, set up as its documentation says.

https://django-tenants.readthedocs.io/en/latest/install.html: its backend, its router, its
middleware at the very top, contenttypes and auth in both lists, its cache key function and its file
storage. DATABASE_URL names a role that may make schemas. Nothing that its documentation offers for
speed is left out, except TENANT_LIMIT_SET_CALLS, which is off by default: with it, a raw SET or a
pooler in transaction mode makes one tenant read another's rows.
"""

from tests.benchmarks.bare.settings import *

SHARED_APPS = [
    "django_tenants",
    "tests.benchmarks.stock.tenancy",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
TENANT_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.admin",
    *TENANT_APPS,
]
INSTALLED_APPS = list(dict.fromkeys([*SHARED_APPS, *TABLELESS_APPS, *TENANT_APPS]))
TENANT_MODEL = "tenancy.StockTenant"
TENANT_DOMAIN_MODEL = "tenancy.StockDomain"
TENANT_DB_ALIAS = "default"
TENANT_SYNC_ROUTER = "django_tenants.routers.TenantSyncRouter"
PG_EXTRA_SEARCH_PATHS = ["extensions"]
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
DATABASES["default"]["ENGINE"] = "django_tenants.postgresql_backend"

MIDDLEWARE = [
    "django_tenants.middleware.main.TenantMainMiddleware",
    *(name for name in MIDDLEWARE if name != "tests.benchmarks.bare.middleware.the_one_tenant"),
]
CACHES["default"] |= {
    "KEY_FUNCTION": "django_tenants.cache.make_key",
    "REVERSE_KEY_FUNCTION": "django_tenants.cache.reverse_key",
}
STORAGES = {
    **STORAGES,
    "default": {"BACKEND": "django_tenants.files.storage.TenantFileSystemStorage"},
}
