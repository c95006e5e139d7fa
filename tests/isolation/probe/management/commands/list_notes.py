"""A tenant's command, for `manage.py tenants run`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tests.isolation.probe.models import Note


class Command(BaseCommand):
    """Writes the texts of the tenant's notes, a line each."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --only."""
        parser.add_argument("--only", default="")

    def handle(self, *args: Any, only: str, **options: Any) -> None:
        """Write them."""
        if only == "none":
            raise CommandError("None are wanted.")
        for note in Note.objects.filter(text__startswith=only).order_by("text"):
            self.stdout.write(note.text)
