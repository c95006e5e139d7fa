"""The operators' admin, on the public host at /operators/."""

from datetime import timedelta
from typing import Any, Final

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from unfold.sites import UnfoldAdminSite

from shared_apps.domains import throttling
from shared_apps.domains.throttling import Limit
from shared_apps.operators.models import Operator
from shared_apps.tenants import context, visitors

# Few enough to guess no password, and soon over: whoever knows an operator's address can use them up.
LOGINS_PER_ADDRESS: Final = Limit(
    "operator-logins-address",
    5,
    timedelta(minutes=5),
    "Too many tries to log in with this e-mail address.",
)
LOGINS_PER_VISITOR: Final = Limit(
    "operator-logins-visitor",
    20,
    timedelta(hours=1),
    "Too many tries to log in came from your network.",
)


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

    @method_decorator(throttling.throttled)
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """The log-in, counted before the password is looked at: a try too many costs no hashing."""
        if request.method == "POST":
            throttling.count(LOGINS_PER_VISITOR, visitors.network_of(request))
            throttling.count(LOGINS_PER_ADDRESS, request.POST.get("username", ""))
        answer: HttpResponseBase = super().login(request, extra_context)
        return answer

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """None: Django's log has no table. A tenant's history is its status changes."""
        return LogEntry.objects.none()


operators_admin = OperatorsAdminSite(name="operators")
