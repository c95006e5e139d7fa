"""The house itself as an app: it may know all rooms, so what joins them lives here."""

from django.apps import AppConfig


class HouseConfig(AppConfig):
    """Registers the checks of how the rooms are put together, and makes Celery's app current."""

    name = "config"
    label = "house"
    verbose_name = "The house"

    def ready(self) -> None:
        """Register the system checks; import the Celery application, so that tasks find it."""
        from config import celery, checks

        checks.register_checks()
        celery.app.set_default()
