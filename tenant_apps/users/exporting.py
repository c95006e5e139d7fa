"""What a take-out holds of people: never a password's hash, a token or a second factor's secret."""

from collections.abc import Iterable, Iterator, Mapping

from tenant_apps.users.models import ApiToken, Invitation, Role, User

_CHUNK = 1_000


def export_rows() -> Iterator[tuple[str, Iterable[Mapping[str, object]]]]:
    """Files by name, each with its rows, read as they are asked for. Inside a transaction."""
    yield (
        "people",
        User.objects.order_by("id")
        .values(
            *("id", "email", "full_name", "role__slug", "is_active", "joined_at", "deactivated_at"),
            *(
                "bio",
                "website",
                "location",
                "phone",
                "birth_date",
                "time_zone",
                "language",
                "avatar",
            ),
        )
        .iterator(_CHUNK),
    )
    yield "roles", Role.objects.values("slug", "name", "permissions", "builtin").iterator(_CHUNK)
    yield (
        "api_tokens",
        ApiToken.objects.order_by("id")
        .values("person_id", "name", "prefix", "scopes", "created_at", "expires_at", "revoked_at")
        .iterator(_CHUNK),
    )
    yield (
        "invitations",
        Invitation.objects.order_by("id")
        .values("email", "role__slug", "created_at", "expires_at", "accepted_at", "withdrawn_at")
        .iterator(_CHUNK),
    )
