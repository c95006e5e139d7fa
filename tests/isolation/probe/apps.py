"""The probe's app."""

from django.apps import AppConfig


class ProbeConfig(AppConfig):
    """Installed by the tests' settings alone."""

    name = "tests.isolation.probe"
    label = "probe"
    default_auto_field = "django.db.models.BigAutoField"
