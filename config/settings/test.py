"""The test suite. Its servers are started by tests/services.py before these settings are read."""

import os

os.environ.setdefault("DATABASE_URL", "postgresql://terrace_app@127.0.0.1:1/terrace")
os.environ.setdefault("DATABASE_ADMIN_URL", "postgresql://terrace_owner@127.0.0.1:1/terrace")

from config.settings.base import *

SECRET_KEY = "tests-only-" + "0123456789abcdef" * 4
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A change to a domain is seen by the very next request.
TERRACE_HOST_CACHE_SECONDS = 0.0
TERRACE_TENANT_CACHE_SECONDS = 0.0
MEDIA_ROOT = DATA_DIR / "test-media"
TERRACE_READY_POOL_SIZE = 2

# Each pytest-xdist worker has a Redis database and a backup store of its own.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
TERRACE_BACKUP_STORE = str(DATA_DIR / f"test-backups-{_worker}")
if _worker:
    REDIS_URL = f"{REDIS_URL.rsplit('/', 1)[0]}/{int(_worker.removeprefix('gw')) + 1}"
    CACHES["default"]["LOCATION"] = REDIS_URL
    CELERY_BROKER_URL = REDIS_URL
    CELERY_RESULT_BACKEND = REDIS_URL

# Straight from static/ and the apps: nothing is collected on this machine.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True

# Rows whose keys are easy to make equal in two tenants; and a migration of each kind.
_SPECIMENS = ["tests.isolation.probe", "tests.shared_apps.tenants.fleet.specimen"]
TENANT_APPS = [*TENANT_APPS, *_SPECIMENS]
INSTALLED_APPS = [*INSTALLED_APPS, *_SPECIMENS]
