"""The tenant's own admin, at /admin/: for whoever's role lets them in, by their work."""

import time
from typing import Any, cast

from django.contrib.admin.models import LogEntry
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, reverse
from unfold.sites import UnfoldAdminSite

from tenant_apps.activity.models import Entry
from tenant_apps.users.models import User
from tenant_apps.workspace.admin_search import Hit, find_everywhere
from tenant_apps.workspace.dashboard import show_figures
from tenant_apps.workspace.first_steps import first_steps
from tenant_apps.workspace.selectors import work_at_hand

ENTRIES_SHOWN = 12
# The days that the first page tells of.
SPAN = 7
PAGES_SHOWN = 6


class TenantAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    """Without content types, permissions tables and Django's own log, which no tenant has."""

    settings_name = "UNFOLD_TENANT"
    index_title = "Today"
    index_template = "tenant/admin/index.html"
    enable_nav_sidebar = True
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this person's role lets them in."""
        user: Any = request.user
        return bool(user.is_authenticated and user.is_active and user.is_staff)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        name = request.tenant.name  # type: ignore[attr-defined]  # set by the tenant middleware
        context: dict[str, Any] = super().each_context(request)
        return context | {"site_title": name, "site_header": name}

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Without Django's "view on site", which looks the object up by its content type."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """None: there is no such table. The trail is shown instead."""
        return LogEntry.objects.none()

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        entries = (
            Entry.objects.all()[:ENTRIES_SHOWN]
            if request.user.has_perm("activity.view_entry")
            else []
        )
        person = cast("User", request.user)
        context = {
            "figures": show_figures(person=person, span=SPAN),
            "span": SPAN,
            "steps": first_steps(person),
            "work": work_at_hand(person),
            "entries": entries,
            **(extra_context or {}),
        }
        response: TemplateResponse = super().index(request, context)
        return response

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Things of all kinds, and pages of the menu, by what was typed.

        Not unfold's own: that one loads every row that fits, and keeps the answer for five minutes, also
        from those who have lost the right to it since.
        """
        text = request.GET.get("s", "")
        if not text.strip():
            return HttpResponse()
        begun = time.monotonic()
        hits = find_everywhere(request=request, registry=self._registry, text=text)
        results = Paginator([*self._pages(request, text), *hits], 100)
        context = {
            "page_obj": results,
            "results": results.page(1),
            "page_counter": 0,
            "execution_time": time.monotonic() - begun,
        }
        template = "unfold/helpers/command_results.html"
        return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})

    def _pages(self, request: HttpRequest, text: str) -> list[Hit]:
        words = text.strip().lower()
        found = [
            Hit(
                title=str(page["title"]),
                description=str(group.get("title") or "Page"),
                link=str(page.get("link_callback") or page["link"]),
                icon=str(page.get("icon") or "tag"),
            )
            for group in self.get_sidebar_list(request)
            for page in group["items"]
            if page["has_permission"] and words in str(page["title"]).lower()
        ]
        return found[:PAGES_SHOWN]

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The workspace has one login page, with second factors and limits: this leads there."""
        if self.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        if request.user.is_authenticated:
            return TemplateResponse(request, "tenant/admin/no_access.html", status=403)
        target = request.GET.get("next") or reverse("admin:index")
        return redirect_to_login(target)

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_logout"))

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_change_password"))


tenant_admin = TenantAdminSite(name="admin")
