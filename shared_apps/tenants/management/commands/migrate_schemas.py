"""`manage.py migrate_schemas`: django-tenants' name of the same."""

from shared_apps.tenants.management.commands.migrate import Command as MigrateCommand


class Command(MigrateCommand):
    """For hands and scripts that know django-tenants."""
