"""The room's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class FrontDoorConfig(AppConfig):
    """The public site."""

    name = "shared_apps.front_door"
    label = "front_door"
    verbose_name = "Front door"
    default_auto_field = "django.db.models.BigAutoField"
