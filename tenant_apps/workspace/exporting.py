"""What a take-out holds of the workspace's own settings."""

from collections.abc import Iterable, Iterator, Mapping

from tenant_apps.workspace.models import Workspace


def export_rows() -> Iterator[tuple[str, Iterable[Mapping[str, object]]]]:
    """Files by name, each with its rows, read as they are asked for. Inside a transaction."""
    yield (
        "settings",
        Workspace.objects.values(
            *("name", "tagline", "language", "time_zone", "currency", "signup_open"),
            *("mail_from_name", "mail_reply_to", "closed_at", "closed_message", "closed_until"),
            *("look", "updated_at"),
        ).iterator(),
    )
