from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.files.storage import default_storage
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property

from shared_apps.tenants.keys import uuid7
from tenant_apps.users import permissions
from tenant_apps.users.devices import device_name
from tenant_apps.users.facts import (
    check_birth_date,
    check_language,
    check_phone,
    check_text,
    check_time_zone,
    check_website,
)


class LowercaseEmailField(models.EmailField):  # type: ignore[type-arg]  # not generic at run time
    """An e-mail address that is kept, compared and looked up in lower case."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return value.strip().lower() if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value.lower() if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 (Django's signature)
        value = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class Role(models.Model):
    """What a person may do in this workspace: a list of permission names."""

    slug = models.CharField(max_length=40)
    name = models.CharField(max_length=60)
    permissions = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    builtin = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["slug"], name="users_role_slug")]

    def __str__(self) -> str:
        return self.name

    def grants(self, permission: str) -> bool:
        """The owner's role grants everything, also what a later release adds."""
        return self.slug == permissions.OWNER or permission in self.permissions


class UserQuerySet(models.QuerySet["User"]):
    def active(self) -> "UserQuerySet":
        return self.filter(is_active=True)

    def owners(self) -> "UserQuerySet":
        return self.active().filter(role__slug=permissions.OWNER)


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]  # made at run time
    def get_by_natural_key(self, username: str | None) -> "User":
        user: User = self.get(email=username)
        return user


class User(AbstractBaseUser):
    """A person of one workspace. The same person in two workspaces is two rows in two schemas."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = LowercaseEmailField("e-mail address", max_length=254)
    full_name = models.CharField(max_length=150)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="people")
    # A column, not a property: Django's and allauth's queries filter on it. The two below say when
    # and by whom.
    is_active = models.BooleanField("active", default=True)
    deactivated_at = models.DateTimeField(null=True, blank=True, editable=False)
    deactivated_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    joined_at = models.DateTimeField(default=timezone.now, editable=False)
    # When the letter of welcome left.
    welcomed_at = models.DateTimeField(null=True, editable=False)
    # Part of every session's stamp: one more, and all of them are over.
    session_generation = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    bio = models.TextField(
        "about you", max_length=1000, blank=True, default="", db_default="", validators=[check_text]
    )
    # The name of a file in the tenant's folder; made by `avatars`, never what was sent.
    avatar = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    website = models.CharField(
        max_length=200, blank=True, default="", db_default="", validators=[check_website]
    )
    location = models.CharField(max_length=100, blank=True, default="", db_default="")
    phone = models.CharField(
        max_length=32, blank=True, default="", db_default="", validators=[check_phone]
    )
    birth_date = models.DateField(null=True, blank=True, validators=[check_birth_date])
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[check_time_zone],
        help_text="Times are shown in it; without one, in the workspace's.",
    )
    language = models.CharField(
        max_length=10, blank=True, default="", db_default="", validators=[check_language]
    )

    objects: ClassVar[UserManager] = UserManager()

    # Written by being here, not by being changed (tenant_apps/api/lost_updates.py).
    NO_CHANGE: ClassVar[frozenset[str]] = frozenset(
        {"last_login", "password", "session_generation", "welcomed_at"}
    )
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["full_name"]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        ordering = ["full_name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                name="users_user_email",
                violation_error_message="Somebody here has this e-mail address already.",
            ),
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="users_user_email_in_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email

    @property
    def avatar_url(self) -> str:
        """Where the picture is, or nothing."""
        return default_storage.url(self.avatar) if self.avatar else ""

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's, with the generation in it: signing out everywhere is one more of them."""
        known = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]  # not in the stubs
        if not self.session_generation:
            return str(known)
        return salted_hmac(
            "tenant_apps.users.session_generation",
            f"{known}:{self.session_generation}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()

    def get_full_name(self) -> str:
        return self.full_name

    def get_short_name(self) -> str:
        return self.full_name.split(" ")[0] if self.full_name else self.email

    @cached_property
    def initials(self) -> str:
        words = self.full_name.split() or [self.email]
        return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()

    @property
    def is_owner(self) -> bool:
        return self.role.slug == permissions.OWNER

    @property
    def is_staff(self) -> bool:
        """Whether this person may open the workspace's admin; Django's admin asks for it by this
        name."""
        return self.has_perm("users.use_admin")

    @property
    def is_superuser(self) -> bool:
        """Nobody stands above the roles of a workspace."""
        return False

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Whether the role grants it. Rules about one object are in the `permissions` module of
        its app."""
        return self.is_active and self.role.grants(perm)

    def has_perms(self, perm_list: list[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        if not self.is_active:
            return False
        return self.is_owner or any(p.startswith(f"{app_label}.") for p in self.role.permissions)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        return self.filter(accepted_at=None, withdrawn_at=None)


class Invitation(models.Model):
    """A letter that lets its reader join with a role, once, before it expires."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = LowercaseEmailField("e-mail address", max_length=254)
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="invitations")
    invited_by = models.ForeignKey(
        User,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    # SHA-256 of the token in the newest letter; the token itself is nowhere but in that letter.
    token_hash = models.CharField(max_length=64, null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.ForeignKey(
        User,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    withdrawn_at = models.DateTimeField(null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["token_hash"], name="users_invitation_token_hash"),
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(accepted_at=None, withdrawn_at=None),
                name="users_invitation_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"

    @property
    def state(self) -> str:
        if self.accepted_at:
            return "accepted"
        if self.withdrawn_at:
            return "withdrawn"
        return "expired" if self.is_expired else "open"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()


class ApiToken(models.Model):
    """What a program of a person's acts with: named, for some scopes, until a day.

    Only a hash is kept. `prefix` is the part that may be seen, and that the row is found by.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    prefix = models.CharField(max_length=12, editable=False)
    token_hash = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=60), default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    revoked_by = models.ForeignKey(
        User,
        null=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name = "API token"
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["prefix"], name="users_apitoken_prefix")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "open"


class SignIn(models.Model):
    """One device that a person is logged in at: a browser's session, or a program's log-in."""

    class Kind(models.TextChoices):
        BROWSER = "browser", "Browser"
        API = "api", "API"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.BROWSER)
    # Of a browser: which session it is. It changes with the password.
    session_key = models.CharField(max_length=40, blank=True, default="")
    # The person's session hash at that time: a new password ends what was begun before it.
    auth_hash = models.CharField(max_length=64)
    # Of a program: how often its refresh token was changed for a new one.
    refreshes = models.PositiveIntegerField(default=0)
    user_agent = models.CharField(max_length=300, blank=True)
    ip_address = models.GenericIPAddressField(null=True)
    began_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-last_seen_at", "-id"]

    def __str__(self) -> str:
        return f"{self.device}, {self.ip_address or 'unknown address'}"

    @property
    def device(self) -> str:
        return device_name(self.user_agent)
