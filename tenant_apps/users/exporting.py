"""What a take-out holds of people: never a password's hash, a token or a second factor's secret."""

from collections.abc import Iterable, Iterator, Mapping

from tenant_apps.users.models import Invitation, Role, User

_CHUNK = 1_000


def export_rows() -> Iterator[tuple[str, Iterable[Mapping[str, object]]]]:
    """Files by name, each with its rows, read as they are asked for. Inside a transaction."""
    yield (
        "people",
        User.objects.order_by("id")
        .values(
            "id", "email", "full_name", "role__slug", "is_active", "joined_at", "deactivated_at"
        )
        .iterator(_CHUNK),
    )
    yield "roles", Role.objects.values("slug", "name", "permissions", "builtin").iterator(_CHUNK)
    yield (
        "invitations",
        Invitation.objects.order_by("id")
        .values("email", "role__slug", "created_at", "expires_at", "accepted_at", "withdrawn_at")
        .iterator(_CHUNK),
    )
