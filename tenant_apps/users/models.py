from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property

from shared_apps.tenants.keys import uuid7
from tenant_apps.users import permissions


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

    objects: ClassVar[UserManager] = UserManager()

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
