"""A worker to be killed while it erases: `python -m tests.chaos.erasing_process`.

Its database is the test's own, named by TERRACE_TEST_DATABASE; it does what a worker does every ten
minutes.
"""

import os

import django


def main() -> None:
    """Go on with all erasures, once."""
    django.setup()
    from django.conf import settings
    from django.db import connections

    for alias in connections:
        connections[alias].settings_dict["NAME"] = os.environ["TERRACE_TEST_DATABASE"]
    settings.MEDIA_ROOT = os.environ["TERRACE_TEST_MEDIA"]
    from shared_apps.tenants import lifecycle

    lifecycle.continue_erasures()


if __name__ == "__main__":
    main()
