"""The operators' admin, on the public host at /operators/."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite

from shared_apps.operators.models import Operator
from shared_apps.tenants import context


class OperatorsAdminSite(UnfoldAdminSite):  # type: ignore[misc]
    """For operators alone; a tenant's user has no account here."""

    site_header = "Terrace operators"
    site_title = "Terrace operators"
    index_title = "The street"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether an operator is logged in, on the public host."""
        user: Any = request.user
        return context.current_tenant() is None and isinstance(user, Operator) and user.is_active

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """None: Django's log has no table. A tenant's history is its status changes."""
        return LogEntry.objects.none()


operators_admin = OperatorsAdminSite(name="operators")
