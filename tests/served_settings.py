"""The suite's settings for a server of its own beside the tests, on the database that they use."""

import os

from config.settings.test import *

TERRACE_HOST_CACHE_SECONDS = 2.0
for _database in DATABASES.values():
    _database["NAME"] = os.environ["TERRACE_TEST_DATABASE"]
