"""The suite's settings with the careless views, for a server of its own beside the tests."""

import os

from config.settings.test import *

TERRACE_TENANT_URLCONF = "tests.isolation.careless"
TERRACE_HOST_CACHE_SECONDS = 2.0
if _name := os.environ.get("TERRACE_TEST_DATABASE"):
    for _database in DATABASES.values():
        _database["NAME"] = _name
