"""The app's configuration."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """Stands in the public schema."""

    name = "tests.benchmarks.stock.tenancy"
    label = "tenancy"
    default_auto_field = "django.db.models.BigAutoField"
