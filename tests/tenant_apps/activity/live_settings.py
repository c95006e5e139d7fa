"""A server of its own on the database of the test that starts it."""

import os

from config.settings.test import *

for _database in DATABASES.values():
    _database["NAME"] = os.environ["TERRACE_TEST_DATABASE"]
DATABASES["default"].setdefault("OPTIONS", {})["application_name"] = "terrace-live-test"
