"""Operators: platform staff, in the public schema, apart from all tenants' users."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from shared_apps.tenants.keys import uuid7


class OperatorManager(BaseUserManager["Operator"]):
    """Makes operators."""

    def create_operator(self, *, email: str, password: str, full_name: str = "") -> "Operator":
        """A new operator with a password.

        Args:
            password: in clear text, checked by the caller.
        Raises:
            IntegrityError: somebody has this address already.
        Runs in: the public schema.
        """
        operator = self.model(email=_normalised(email), full_name=full_name)
        operator.set_password(password)
        operator.save(using=self._db)
        return operator

    def change_password(self, *, email: str, password: str) -> "Operator":
        """Give an operator another password. It ends their sessions.

        Args:
            password: in clear text, checked by the caller.
        Raises:
            Operator.DoesNotExist: nobody has this address.
        Runs in: the public schema.
        """
        operator = self.get_by_natural_key(email)
        operator.set_password(password)
        operator.save(using=self._db, update_fields=["password"])
        return operator

    def has_operator(self, email: str) -> bool:
        """Whether somebody has this address, deactivated or not."""
        return self.filter(email=_normalised(email)).exists()

    def get_by_natural_key(self, username: str | None) -> "Operator":
        """By e-mail address, in any case of letters.

        Not by `iexact`: PostgreSQL compares in upper case, where a dotless i (U+0131) is I. One address
        would have many spellings, and tries for each of them.
        """
        return self.get(email=_normalised(username or ""))


def _normalised(email: str) -> str:
    return email.strip().lower()


class Operator(AbstractBaseUser):
    """One of the platform's staff. Never a tenant's user."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("e-mail address", max_length=254, unique=True)
    full_name = models.CharField(max_length=150, blank=True)
    deactivated_at = models.DateTimeField(null=True, blank=True)
    joined_at = models.DateTimeField(auto_now_add=True)

    objects = OperatorManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    is_staff = True
    is_superuser = True

    class Meta:
        ordering = ["email"]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="operators_operator_email_unique")
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether the operator may log in."""
        return self.deactivated_at is None

    def get_full_name(self) -> str:
        """The name to greet with."""
        return self.full_name or self.email

    def get_short_name(self) -> str:
        """The first name."""
        return self.get_full_name().split()[0]

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Operators may do everything on the public host."""
        return self.is_active

    def has_perms(self, perm_list: Any, obj: Any = None) -> bool:
        """As has_perm."""
        return self.is_active

    def has_module_perms(self, app_label: str) -> bool:
        """As has_perm."""
        return self.is_active
