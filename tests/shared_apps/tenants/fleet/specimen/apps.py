"""The specimen's entry in TENANT_APPS."""

from django.apps import AppConfig


class SpecimenConfig(AppConfig):
    """Shelves and books that nobody reads."""

    name = "tests.shared_apps.tenants.fleet.specimen"
    label = "specimen"
    default_auto_field = "django.db.models.BigAutoField"
