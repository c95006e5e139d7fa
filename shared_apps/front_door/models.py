"""The public schema's rows of the front door."""

from datetime import datetime, timedelta
from typing import Final

from django.db import models

from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import Tenant

CODE_LIFE: Final = timedelta(minutes=15)
MAX_TRIES: Final = 5
# How long a sign-up can be taken up again, and how long its last page leads into the workspace.
RESUME_LIFE: Final = timedelta(hours=24)
ENTER_LIFE: Final = timedelta(minutes=15)


class SignUpQuerySet(models.QuerySet["SignUp"]):
    """Sets of sign-ups."""

    def unfinished_of(self, email: str, now: datetime) -> "SignUpQuerySet":
        """The verified ones of this address that have led into no workspace yet, newest first."""
        return self.filter(
            email=email,
            verified_at__isnull=False,
            entered_at=None,
            created_at__gt=now - RESUME_LIFE,
        ).order_by("-created_at")


class SignUp(models.Model):
    """One visitor's way from an e-mail address to a workspace.

    The code and the link prove that the visitor reads the address; only their hashes are kept.
    `request_id` is the provisioning's: the same form sent twice makes one workspace.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254, db_index=True)
    code_hash = models.CharField(max_length=64, blank=True)
    link_hash = models.CharField(max_length=64, unique=True, null=True)
    code_sent_at = models.DateTimeField(null=True)
    code_expires_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    verified_at = models.DateTimeField(null=True)
    workspace_name = models.CharField(max_length=100, blank=True)
    subdomain = models.CharField(max_length=40, blank=True)
    full_name = models.CharField(max_length=150, blank=True)
    request_id = models.UUIDField(unique=True, default=uuid7, editable=False)
    requested_at = models.DateTimeField(null=True)
    entered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    objects = SignUpQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.email}, {self.created_at:%Y-%m-%d}"

    def is_code_alive(self, now: datetime) -> bool:
        """Whether the newest mail's code and link still prove something."""
        return (
            bool(self.code_hash)
            and self.code_expires_at is not None
            and self.code_expires_at > now
            and self.tries < MAX_TRIES
        )

    def is_link_alive(self, now: datetime) -> bool:
        """Whether the newest mail's link leads back here: as long as the code, a day once proven."""
        if self.verified_at:
            return self.created_at > now - RESUME_LIFE
        return self.code_expires_at is not None and self.code_expires_at > now

    def may_enter(self, now: datetime) -> bool:
        """Whether its last page still signs in; later the owner logs in."""
        return self.entered_at is None or self.entered_at > now - ENTER_LIFE


class HandOff(models.Model):
    """A token that signs a person in at one tenant, once, within a minute. Kept as a hash."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    # The person's key in the tenant's schema: text, for there is no foreign key across schemas.
    user_key = models.CharField(max_length=36)
    token_hash = models.CharField(max_length=64, unique=True)
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-issued_at"]

    def __str__(self) -> str:
        return f"{self.user_key} at {self.tenant_id}"
