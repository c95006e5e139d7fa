"""Changing what the workspace says of itself. Runs in the tenant's schema."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from shared_apps.tenants.naming import rename_tenant
from tenant_apps.activity import trail
from tenant_apps.api.cross_origin import forget_origins
from tenant_apps.articles.tasks import refresh_search
from tenant_apps.users.models import User
from tenant_apps.workspace.kept_row import forget_workspace
from tenant_apps.workspace.models import Workspace
from tenant_apps.workspace.permissions import CHANGE_SETTINGS, require

CHANGEABLE = frozenset(
    {
        *("name", "tagline", "language", "time_zone", "currency", "signup_open", "api_origins"),
        *("mail_from_name", "mail_reply_to"),
    }
)


def change_settings(*, changes: Mapping[str, Any], by: User) -> Workspace:
    """Change the settings that are given and leave the rest. A new name is the tenant's everywhere.

    Raises:
        NotAllowed: `by` may not change the settings.
        ValidationError: a value is not one that the field takes.
    """
    require(by, CHANGE_SETTINGS)
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"change_settings changes {sorted(CHANGEABLE)}, not {sorted(unknown)}.")
    values = dict(changes)
    if "name" in values:
        # In one line: it stands in the subjects of mails.
        values["name"] = " ".join(values["name"].split())
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update().get()
        fields = [name for name in values if getattr(workspace, name) != values[name]]
        if not fields:
            return workspace
        before = {name: getattr(workspace, name) for name in fields}
        for name in fields:
            setattr(workspace, name, values[name])
        workspace.full_clean()
        # First of what is done after the commit: the task below reads the new language.
        forget_workspace()
        if "language" in fields:
            refresh_search.delay_on_commit()
        if "name" in fields:
            rename_tenant(name=values["name"])
        workspace.updated_at = timezone.now()
        workspace.save(update_fields=[*fields, "updated_at"])
        if "api_origins" in fields:
            transaction.on_commit(forget_origins)
        trail.record(
            verb="workspace.changed",
            subject=workspace,
            actor=by,
            before=before,
            after={name: values[name] for name in fields},
        )
    return workspace
