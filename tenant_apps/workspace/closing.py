"""Closing the site for visitors for a while, with a message, and opening it again. Each verb runs in the
tenant's schema."""

from datetime import datetime, timedelta
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from tenant_apps.activity import trail
from tenant_apps.users.models import User
from tenant_apps.workspace.kept_row import forget_workspace
from tenant_apps.workspace.models import Workspace
from tenant_apps.workspace.permissions import CLOSE_SITE, require

# What programs are told to wait where nobody has said until when.
RETRY_AFTER: Final = timedelta(hours=1)
_AT_LEAST: Final = timedelta(minutes=1)
_FIELDS: Final = ("closed_at", "closed_by", "closed_message", "closed_until")


def close_site(*, message: str, until: datetime | None, by: User) -> Workspace:
    """Show visitors this message and nothing else. Who may use the admin goes on seeing the site.

    Closing it once more changes the message, and keeps since when it is closed.

    Args:
        message: plain text, of up to 1,000 characters; empty for a sentence of the house.
        until: what visitors and programs are told; it does not open by itself.
    Raises:
        NotAllowed: `by` may not close the site.
        ValidationError: the message is too long, or `until` is past; by field.
    """
    require(by, CLOSE_SITE)
    if until is not None and until <= timezone.now():
        raise ValidationError({"until": "This time is past. Leave it empty, or take a later one."})
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get()
        before = _state(workspace)
        workspace.closed_at = workspace.closed_at or timezone.now()
        workspace.closed_by = by.email
        workspace.closed_message = message.strip()
        workspace.closed_until = until
        longest = Workspace._meta.get_field("closed_message").max_length or 0
        if len(workspace.closed_message) > longest:
            raise ValidationError({"message": f"A message has {longest} characters at most."})
        _keep(workspace, before, "site.closed", by)
    return workspace


def open_site(*, by: User) -> Workspace:
    """Let visitors in again. Safe to repeat. Raises NotAllowed."""
    require(by, CLOSE_SITE)
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get()
        if workspace.closed_at is None:
            return workspace
        before = _state(workspace)
        workspace.closed_at = workspace.closed_until = None
        workspace.closed_by = workspace.closed_message = ""
        _keep(workspace, before, "site.opened", by)
    return workspace


def retry_after(workspace: Workspace) -> timedelta:
    """How long programs are told to wait (RFC 9110 section 10.2.3)."""
    if workspace.closed_until is None:
        return RETRY_AFTER
    left: timedelta = workspace.closed_until - timezone.now()
    return max(left, _AT_LEAST)


def _state(workspace: Workspace) -> dict[str, object]:
    return {name: getattr(workspace, name) for name in _FIELDS}


def _keep(workspace: Workspace, before: dict[str, object], verb: str, by: User) -> None:
    workspace.updated_at = timezone.now()
    workspace.save(update_fields=[*_FIELDS, "updated_at"])
    trail.record(verb=verb, subject=workspace, actor=by, before=before, after=_state(workspace))
    forget_workspace()
