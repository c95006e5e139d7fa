"""(b) again, with Terrace's tables and no others in a tenant's schema.

The documentation's set-up has contenttypes, auth and admin there as well. Without them stock has less
to do, and its schema can be compared with Terrace's table by table.
"""

from tests.benchmarks.stock.settings import *

_SHARED_ALONE = {"django.contrib.contenttypes", "django.contrib.auth", "django.contrib.admin"}
TENANT_APPS = [app for app in TENANT_APPS if app not in _SHARED_ALONE]
INSTALLED_APPS = list(dict.fromkeys([*SHARED_APPS, *TABLELESS_APPS, *TENANT_APPS]))
