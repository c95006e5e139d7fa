"""Django's development server, without its question about migrations."""

from django.contrib.staticfiles.management.commands.runserver import Command as RunServer


class Command(RunServer):
    """Serve pages while you work on them."""

    def check_migrations(self) -> None:
        """Nothing: the application's role may not ask, and `migrate` knows every tenant's state."""
