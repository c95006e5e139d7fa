"""The hostnames' app."""

from django.apps import AppConfig


class DomainsConfig(AppConfig):
    """Domain rows and their resolution."""

    name = "shared_apps.domains"
    label = "domains"
    verbose_name = "Domains"

    def ready(self) -> None:
        """Let Django accept the hostnames that Terrace accepts."""
        from shared_apps.domains import hosts

        hosts.accept_underscores()
