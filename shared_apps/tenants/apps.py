"""The engine's app."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Puts the guards on when all models are known."""

    name = "shared_apps.tenants"
    label = "tenants"
    verbose_name = "Tenants"

    def ready(self) -> None:
        """Bind signatures to tenants, guard the models, register the system checks."""
        from shared_apps.tenants import guards, migrating, signing

        signing.bind_signing()
        guards.install()
        migrating.find_migrations_table_by_name()

        # Celery looks for tasks in `tasks` alone, which here is the base of all of them.
        from shared_apps.tenants import (  # noqa: F401 - importing registers them
            lifecycle_tasks,
            provisioning_tasks,
            session_tasks,
        )
        from shared_apps.tenants.archive import tasks  # noqa: F401 - likewise
