"""What operators see and do. Every change goes through a verb of the lifecycle."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import action, display, helpers
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget

from shared_apps.domains.models import Domain
from shared_apps.operators.admin_site import operators_admin
from shared_apps.tenants import lifecycle
from shared_apps.tenants.errors import TenantNotActive
from shared_apps.tenants.models import Status, StatusChange, Tenant


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(
        widget=UnfoldAdminTextareaWidget, help_text="For the tenant's history.", max_length=1000
    )


class _ReadOnly:
    """Rows that are shown, not written by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class DomainInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    """The tenant's hostnames."""

    model = Domain
    fields = readonly_fields = ["domain", "is_primary", "verified_at"]
    extra = 0


class StatusChangeInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    """The tenant's history."""

    model = StatusChange
    fields = readonly_fields = ["at", "before", "after", "reason", "by"]
    extra = 0


class TenantAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """List, find, suspend and resume tenants."""

    list_display = ["name", "address", "shown_status", "created_at"]
    list_filter = ["status", "created_at"]
    search_fields = ["name", "subdomain", "domains__domain", "schema_name"]
    readonly_fields = [
        "name",
        "subdomain",
        "schema_name",
        "uuid",
        "status",
        "placement",
        "created_at",
    ]
    fields = readonly_fields
    inlines = [DomainInline, StatusChangeInline]
    actions = ["suspend", "resume"]
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """With the domains, so that a page costs two queries however long it is."""
        queryset: QuerySet[Tenant] = super().get_queryset(request)
        return queryset.prefetch_related(Prefetch("domains", Domain.objects.all()))

    @display(description="Address")
    def address(self, tenant: Tenant) -> str:
        """The primary hostname."""
        return tenant.primary_hostname or "none"

    @display(description="Status", ordering="status")
    def shown_status(self, tenant: Tenant) -> str:
        """The status, as a word that stands out where the tenant isn't served."""
        status = Status(tenant.status)
        return status.label if status == Status.ACTIVE else format_html("<b>{}</b>", status.label)

    @action(description="Suspend the chosen tenants")
    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        """Ask for a reason, then suspend each."""
        return self._with_reason(request, queryset, verb="suspend")

    @action(description="Resume the chosen tenants")
    def resume(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        """Ask for a reason, then resume each."""
        return self._with_reason(request, queryset, verb="resume")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The history stands on the tenant's own page."""
        return redirect("operators:tenants_tenant_change", object_id)

    def _with_reason(
        self, request: HttpRequest, queryset: QuerySet[Tenant], *, verb: str
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return TemplateResponse(
                request,
                "console/reason.html",
                {
                    **self.admin_site.each_context(request),
                    "title": f"{verb.title()} {queryset.count()} tenant(s)",
                    "tenants": queryset,
                    "form": form,
                    "verb": verb,
                    "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
                },
            )
        change = {"suspend": lifecycle.suspend_tenant, "resume": lifecycle.resume_tenant}[verb]
        for tenant in queryset:
            try:
                change(tenant=tenant, reason=form.cleaned_data["reason"], by=str(request.user))
            except TenantNotActive as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"{tenant.name}: {verb} done.", messages.SUCCESS)
        return None


operators_admin.register(Tenant, TenantAdmin)
