"""The room's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class FrontDoorConfig(AppConfig):
    """The public site."""

    name = "shared_apps.front_door"
    label = "front_door"
    verbose_name = "Front door"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Say what an erased tenant leaves behind here."""
        from shared_apps.front_door.erasing import erase_traces
        from shared_apps.tenants.registry import register_eraser

        register_eraser("front_door", erase_traces)
