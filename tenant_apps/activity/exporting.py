"""What a take-out holds of the audit trail."""

from collections.abc import Iterable, Iterator, Mapping

from tenant_apps.activity.models import Entry

_CHUNK = 1_000


def export_rows() -> Iterator[tuple[str, Iterable[Mapping[str, object]]]]:
    """Files by name, each with its rows, read as they are asked for. Inside a transaction."""
    yield "entries", Entry.objects.order_by("id").values().iterator(_CHUNK)
