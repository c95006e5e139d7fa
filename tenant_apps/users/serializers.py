"""What the API tells of people and what it takes. Field rules are those of the models."""

from typing import Any, ClassVar

from rest_framework import serializers

from tenant_apps.users.models import ApiToken, Invitation, Role, SignIn, User
from tenant_apps.users.permissions import registered_permissions
from tenant_apps.users.roles import roles_to_give
from tenant_apps.users.scopes import registered_scopes

DAYS = (7, 30, 90, 365)


class RoleSerializer(serializers.ModelSerializer[Role]):
    """A role and what it lets people do; the owner's, everything."""

    permissions = serializers.SerializerMethodField()

    class Meta:
        model = Role
        fields = ["id", "slug", "name", "builtin", "permissions"]

    def get_permissions(self, role: Role) -> list[str]:
        return [one.name for one in registered_permissions() if role.grants(one.name)]


class RoleInput(serializers.Serializer[Any]):
    """A role of the workspace's own."""

    name = serializers.CharField(max_length=60)
    permissions = serializers.ListField(child=serializers.CharField(max_length=100), max_length=200)


class PermissionSerializer(serializers.Serializer[Any]):
    """One thing that a role may grant."""

    name = serializers.CharField()
    # The stubs know DRF's own attribute of this name alone.
    label = serializers.CharField()  # type: ignore[assignment]


class NamedPersonSerializer(serializers.ModelSerializer[User]):
    """A person beside what they did: no more than everybody may know."""

    class Meta:
        model = User
        fields = ["id", "full_name"]


class PersonSerializer(serializers.ModelSerializer[User]):
    """A person, for whoever may see the people of the workspace."""

    role: Any = serializers.SlugRelatedField("slug", read_only=True)
    avatar_url = serializers.CharField(read_only=True)

    class Meta:
        model = User
        fields = [
            *("id", "email", "full_name", "avatar_url", "role", "is_active", "joined_at"),
            *("last_login", "deactivated_at"),
        ]


class MeSerializer(serializers.ModelSerializer[User]):
    """Oneself: what one has said, and what one may do."""

    role: Any = serializers.SlugRelatedField("slug", read_only=True)
    avatar_url = serializers.CharField(read_only=True)
    permissions = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            *("id", "email", "full_name", "bio", "avatar_url", "website", "location", "phone"),
            *("birth_date", "time_zone", "language", "role", "permissions", "joined_at"),
        ]

    def get_permissions(self, person: User) -> list[str]:
        return [one.name for one in registered_permissions() if person.has_perm(one.name)]


class MeInput(serializers.ModelSerializer[User]):
    """What one may change of oneself."""

    class Meta:
        model = User
        fields = [
            *("full_name", "bio", "website", "location", "phone", "birth_date", "time_zone"),
            "language",
        ]


class AvatarInput(serializers.Serializer[Any]):
    """A picture: JPEG, PNG, GIF or WebP."""

    picture = serializers.FileField()


class _OfferedRole(serializers.SlugRelatedField):  # type: ignore[type-arg]  # not generic at run time
    """The slug of a role that whoever asks may give. A queryset on the class would belong to no
    tenant."""

    def get_queryset(self) -> Any:
        person = getattr(self.context.get("request"), "user", None)
        if not isinstance(person, User):
            return Role.objects.none()
        return roles_to_give(by=person)


class PersonInput(serializers.Serializer[Any]):
    """What others may change of a person."""

    full_name = serializers.CharField(max_length=150, required=False)
    role: ClassVar[Any] = _OfferedRole("slug", queryset=Role.objects.none(), required=False)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """A letter that lets somebody in."""

    role: Any = serializers.SlugRelatedField("slug", read_only=True)
    invited_by: Any = serializers.SlugRelatedField("full_name", read_only=True, allow_null=True)
    state = serializers.ChoiceField(
        choices=["open", "accepted", "withdrawn", "expired"], read_only=True
    )

    class Meta:
        model = Invitation
        fields = [
            *("id", "email", "role", "state", "invited_by", "created_at", "sent_at"),
            *("expires_at", "accepted_at", "withdrawn_at"),
        ]
        read_only_fields = fields


class InvitationInput(serializers.Serializer[Any]):
    """Whom to invite, as what."""

    email = serializers.EmailField(max_length=254)
    role: ClassVar[Any] = _OfferedRole("slug", queryset=Role.objects.none())


class SignInSerializer(serializers.ModelSerializer[SignIn]):
    """A device that one is logged in at."""

    device = serializers.CharField(read_only=True)

    class Meta:
        model = SignIn
        fields = [
            *("id", "kind", "device", "user_agent", "ip_address", "began_at", "last_seen_at"),
            "expires_at",
        ]


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """An API token, without what opens anything."""

    state = serializers.ChoiceField(choices=["open", "revoked", "expired"], read_only=True)

    class Meta:
        model = ApiToken
        fields = [
            *("id", "name", "prefix", "scopes", "state", "created_at", "expires_at"),
            *("last_used_at", "last_used_from", "revoked_at"),
        ]


class NewTokenSerializer(TokenSerializer):
    """An API token in the one answer that shows it."""

    token = serializers.CharField(help_text="Shown this once.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class TokenInput(serializers.Serializer[Any]):
    """A new API token."""

    name = serializers.CharField(max_length=60)
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=60), min_length=1, max_length=50
    )
    days = serializers.IntegerField(
        min_value=1, max_value=DAYS[-1], help_text="How long it is good for."
    )

    def validate_scopes(self, names: list[str]) -> list[str]:
        known = {scope.name for scope in registered_scopes()}
        for name in names:
            if name not in known:
                raise serializers.ValidationError(
                    f"There is no scope {name!r}. There are: {', '.join(sorted(known))}."
                )
        return names


class LoginInput(serializers.Serializer[Any]):
    """Who logs a program in."""

    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)
    code = serializers.CharField(
        max_length=32,
        required=False,
        allow_blank=True,
        help_text="Of the authenticator app, or a recovery code, where there is a second factor.",
    )


class RefreshInput(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class PairSerializer(serializers.Serializer[Any]):
    """What a program that has logged in acts with."""

    access = serializers.CharField(help_text="Sent as `Authorization: Bearer …`.")
    refresh = serializers.CharField(help_text="Changed for a new pair, once.")
    expires_in = serializers.IntegerField(help_text="Seconds that the access token is good for.")


class EndedSerializer(serializers.Serializer[Any]):
    ended = serializers.IntegerField(help_text="How many devices were logged out.")
