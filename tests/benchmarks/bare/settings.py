"""(a) The same tenant apps, middlewares, cache and sessions in plain Django: no tenancy.

What Terrace adds is taken out: the tenants' middleware, router, guards, database backend, cache key
and session stamp. Connections are persistent, as Terrace's are; CONN_HEALTH_CHECKS stays off, which
is Django's default and the faster way.
"""

from contextvars import ContextVar
from uuid import UUID

from shared_apps.tenants import context
from tests.benchmarks.terrace_settings import *

# The tenant apps may ask for their tenant. Here there is one, and asking costs no more than it does
# in Terrace.
_BARE = context.TenantRef(
    id=1,
    uuid=UUID(int=1),
    schema_name="t_000000000000",
    name="Bare",
    subdomain="bare",
    hostname="bare.localhost",
    status="active",
)
context._current = ContextVar("bare_tenant", default=_BARE)
context.current_tenant = context._current.get

SHARED_APPS = []
# Terrace's system checks and its Celery application.
TABLELESS_APPS = [app for app in TABLELESS_APPS if app != "config"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    *TABLELESS_APPS,
    *(app for app in TENANT_APPS if app != "django.contrib.sessions"),
]
MIDDLEWARE = [
    "tests.benchmarks.bare.middleware.the_one_tenant"
    if name == "shared_apps.domains.middleware.TenantMiddleware"
    else name
    for name in MIDDLEWARE
]
ROOT_URLCONF = TERRACE_TENANT_URLCONF
DATABASE_ROUTERS = []
DATABASES = {
    "default": {
        **env.db_url("DATABASE_URL"),
        "ENGINE": "django.db.backends.postgresql",
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": 600,
    }
}
CACHES = {
    "default": {
        name: value
        for name, value in CACHES["default"].items()
        if name not in {"KEY_FUNCTION", "REVERSE_KEY_FUNCTION"}
    }
    | {"BACKEND": "django_redis.cache.RedisCache"}
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
AUTHENTICATION_BACKENDS = [name for name in AUTHENTICATION_BACKENDS if "operators" not in name]
STORAGES = {**STORAGES, "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}}
# The filter names the tenant in each line.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
