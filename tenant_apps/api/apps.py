from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What all endpoints share: errors, pages, filters, ETags, Idempotency-Keys, the document."""

    name = "tenant_apps.api"
    label = "api"
    verbose_name = "API"

    def ready(self) -> None:
        from shared_apps.tenants.registry import (
            CloneRules,
            register_clone_rules,
            register_exporter,
        )
        from tenant_apps.api import openapi  # noqa: F401 - registers its extensions

        # Answers are copies of what the other apps give, kept for a day.
        register_exporter("api", lambda: ())
        register_clone_rules("api", CloneRules(never=["api_keptanswer"]))
