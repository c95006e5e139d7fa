"""The Celery application: `celery --app config worker`, `celery --app config beat`.

Beat keeps no file: what was dispatched when is a row (shared_apps.tenants.tasks.periodic), so it
may be stopped, moved, or run twice.
"""

import os
import sys
from typing import Any

from celery.signals import setup_logging

from shared_apps.tenants.tasks.app import TerraceCelery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = TerraceCelery("terrace")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery's Django support closes every connection before and after each task unless this is set. Our
# tasks close what is old or broken (base.py), as requests do, and keep the others.
app.add_defaults(lambda: {"CELERY_DB_REUSE_MAX": sys.maxsize})
app.autodiscover_tasks()


@setup_logging.connect
def keep_django_logging(**_: Any) -> None:
    """A receiver of this signal stops Celery from replacing LOGGING, which names the tenant."""
