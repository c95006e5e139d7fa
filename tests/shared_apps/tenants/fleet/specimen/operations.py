"""An operation that is not Django's."""

from typing import Any

from django.db import router
from django.db.migrations.operations.base import Operation


class WriteNote(Operation):
    """Writes a text into every book, by SQL of its own."""

    reversible = True

    def __init__(self, text: str) -> None:
        self.text = text

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Write the text and the number of books of this very schema."""
        if not router.allow_migrate(schema_editor.connection.alias, app_label):
            return
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM specimen_volume")
            number = cursor.fetchone()[0]
            cursor.execute("UPDATE specimen_volume SET note = %s", [f"{self.text} {number}"])

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        """Take it back."""
        if router.allow_migrate(schema_editor.connection.alias, app_label):
            schema_editor.execute("UPDATE specimen_volume SET note = ''")
