"""The operators' app."""

from django.apps import AppConfig


class OperatorsConfig(AppConfig):
    """Operators and their admin on the public host."""

    name = "shared_apps.operators"
    label = "operators"
    verbose_name = "Operators"
