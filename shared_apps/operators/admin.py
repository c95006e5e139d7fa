"""What operators see and do. Every change goes through a verb of the lifecycle."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin import action, display, helpers
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from shared_apps.domains.models import Domain
from shared_apps.domains.names import SubdomainRefused, check_subdomain, normalise_subdomain
from shared_apps.operators.admin_site import operators_admin
from shared_apps.tenants import lifecycle, lifecycle_tasks
from shared_apps.tenants.errors import TenancyError
from shared_apps.tenants.keys import uuid7
from shared_apps.tenants.models import (
    Erasure,
    NameChange,
    Status,
    StatusChange,
    Tenant,
)
from shared_apps.tenants.schemas import OwnerConnectionMissing

Verb = Callable[..., Tenant]

# Each is a verb of the lifecycle that takes tenant, reason and by: its words in the menu.
VERBS: Final[Mapping[str, tuple[str, Verb]]] = {
    "suspend": ("Suspend the chosen tenants", lifecycle.suspend_tenant),
    "resume": ("Resume the chosen tenants", lifecycle.resume_tenant),
    "start_trial": ("Put the chosen tenants on trial", lifecycle.start_trial),
    "activate": ("Activate the chosen tenants", lifecycle.activate_tenant),
    "make_read_only": ("Make the chosen tenants read-only", lifecycle.make_read_only),
    "begin_maintenance": ("Begin maintenance", lifecycle.begin_maintenance),
    "end_maintenance": ("End maintenance", lifecycle.end_maintenance),
    "archive": ("Archive the chosen tenants", lifecycle.archive_tenant),
    "unarchive": ("Bring archived tenants back", lifecycle.unarchive_tenant),
    "schedule_erasure": ("Schedule for erasure", lifecycle.schedule_erasure),
    "cancel_erasure": ("Cancel the erasure", lifecycle.cancel_erasure),
}
# What a worker does where this process may not: it has no owner's connection.
_BY_A_WORKER: Final[Mapping[str, Any]] = {
    "activate": lifecycle_tasks.activate_tenant,
    "make_read_only": lifecycle_tasks.make_read_only,
}


class ReasonForm(forms.Form):
    """Asks why."""

    reason = forms.CharField(
        label="Why?",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="For the tenant's history.",
        max_length=1000,
    )


class RenameForm(ReasonForm):
    """Asks for the new subdomain, too."""

    subdomain = forms.CharField(
        widget=UnfoldAdminTextInputWidget,
        max_length=100,
        help_text="The old one leads to it and is never given to another tenant.",
    )
    field_order = ["subdomain", "reason"]

    def clean_subdomain(self) -> str:
        """As it will be written."""
        return _subdomain(normalise_subdomain, self.cleaned_data["subdomain"])


class CloneForm(ReasonForm):
    """Asks for the copy's names and what goes into it."""

    name = forms.CharField(widget=UnfoldAdminTextInputWidget, max_length=100)
    subdomain = forms.CharField(widget=UnfoldAdminTextInputWidget, max_length=100)
    with_data = forms.BooleanField(
        widget=UnfoldBooleanWidget,
        required=False,
        help_text="Rows and files, without passwords, sessions and invitations.",
    )
    owner_email = forms.EmailField(
        widget=UnfoldAdminEmailInputWidget,
        required=False,
        help_text="The first person of a copy without data.",
    )
    field_order = ["name", "subdomain", "with_data", "owner_email", "reason"]

    def clean_subdomain(self) -> str:
        """As it will be written, if it is free."""
        return _subdomain(check_subdomain, self.cleaned_data["subdomain"])

    def clean(self) -> dict[str, Any]:
        """With data the people come along; without, somebody must be in."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(cleaned.get("with_data")) == bool(cleaned.get("owner_email")):
            raise forms.ValidationError(
                "Name the owner of a copy without data; a copy with data has its source's people."
            )
        return cleaned


def _subdomain(check: Callable[[str], str], raw: str) -> str:
    try:
        return check(raw)
    except SubdomainRefused as refused:
        raise forms.ValidationError(str(refused)) from refused


def _action_of(verb: str, description: str) -> Callable[..., HttpResponse | None]:
    def act(
        admin: "TenantAdmin", request: HttpRequest, queryset: QuerySet[Tenant]
    ) -> HttpResponse | None:
        return admin.change_state(request, queryset, verb=verb)

    act.__name__ = verb
    act.short_description = description  # type: ignore[attr-defined] # Django reads it
    return act


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


class NameChangeInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    """The subdomains that the tenant had."""

    model = NameChange
    fields = readonly_fields = ["at", "before", "after", "reason", "by"]
    extra = 0


class ErasureInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    """The tenant's end."""

    model = Erasure
    fields = readonly_fields = [
        "due_at",
        "began_at",
        "finished_at",
        "cancelled_at",
        "reason",
        "by",
        "error",
        "shown_certificate",
    ]
    extra = 0

    @display(description="Certificate")
    def shown_certificate(self, erasure: Erasure) -> str:
        """What was removed, as text."""
        if erasure.finished_at is None:
            return "none"
        return format_html("<pre>{}</pre>", lifecycle.certificate_of(erasure.tenant).as_text())


class TenantAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """List and find tenants, and carry out the lifecycle's verbs on them."""

    list_display = ["name", "address", "shown_status", "created_at"]
    list_filter = ["status", "created_at"]
    search_fields = ["name", "subdomain", "domains__domain", "schema_name"]
    readonly_fields = [
        "name",
        "subdomain",
        "schema_name",
        "uuid",
        "status",
        "read_only_since",
        "placement",
        "created_at",
    ]
    fields = readonly_fields
    inlines = [DomainInline, StatusChangeInline, NameChangeInline, ErasureInline]
    actions = [
        *(_action_of(verb, description) for verb, (description, _) in VERBS.items()),
        "rename",
        "clone",
        "bypass",
    ]
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

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The history stands on the tenant's own page."""
        return redirect("operators:tenants_tenant_change", object_id)

    def change_state(
        self, request: HttpRequest, queryset: QuerySet[Tenant], *, verb: str
    ) -> HttpResponse | None:
        """Ask for a reason, then carry the verb out on each."""
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, form, verb)
        _, change = VERBS[verb]
        words = {"reason": form.cleaned_data["reason"], "by": str(request.user)}
        for tenant in queryset:
            try:
                change(tenant=tenant, **words)
            except OwnerConnectionMissing:
                _BY_A_WORKER[verb].delay_on_commit(str(tenant.uuid), **words)
                self.message_user(request, f"{tenant.name}: a worker does it now.", messages.INFO)
            except TenancyError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                now = Status(Tenant.objects.values_list("status", flat=True).get(pk=tenant.pk))
                self.message_user(
                    request, f"{tenant.name}: {now.label.lower()} now.", messages.SUCCESS
                )
        return None

    @action(description="Rename the chosen tenant")
    def rename(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        """Ask for the new subdomain and why, then rename the one that was chosen."""
        form = RenameForm(request.POST if "reason" in request.POST else None)
        tenant = self._only_one(request, queryset)
        if tenant is None:
            return None
        if not form.is_valid():
            return self._ask(request, queryset, form, "rename")
        try:
            renamed = lifecycle.rename_subdomain(
                tenant=tenant, by=str(request.user), **form.cleaned_data
            )
        except (TenancyError, SubdomainRefused) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(
                request, f"{renamed.name} is {renamed.subdomain} now.", messages.SUCCESS
            )
        return None

    @action(description="Clone the chosen tenant")
    def clone(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        """Ask for the copy's names, then let a worker make it."""
        form = CloneForm(request.POST if "reason" in request.POST else None)
        tenant = self._only_one(request, queryset)
        if tenant is None:
            return None
        if not form.is_valid():
            return self._ask(request, queryset, form, "clone")
        lifecycle_tasks.clone_tenant.delay_on_commit(
            str(tenant.uuid), by=str(request.user), request_id=str(uuid7()), **form.cleaned_data
        )
        self.message_user(request, f"{tenant.name}: a worker makes the copy now.", messages.SUCCESS)
        return None

    @action(description="Make a maintenance bypass link")
    def bypass(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        """A link past the maintenance page for each, for this operator alone to follow."""
        for tenant in queryset:
            if tenant.status != Status.MAINTENANCE:
                self.message_user(request, f"{tenant.name} is not in maintenance.", messages.ERROR)
                continue
            link = lifecycle.make_bypass_link(tenant=tenant, by=str(request.user))
            self.message_user(
                request,
                format_html('{}, for an hour: <a href="{}">{}</a>', tenant.name, link, link),
                messages.SUCCESS,
            )

    def _only_one(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> Tenant | None:
        tenants = list(queryset[:2])
        if len(tenants) == 1:
            return tenants[0]
        self.message_user(request, "Choose one tenant for this.", messages.ERROR)
        return None

    def _ask(
        self, request: HttpRequest, queryset: QuerySet[Tenant], form: forms.Form, verb: str
    ) -> HttpResponse:
        return TemplateResponse(
            request,
            "console/reason.html",
            {
                **self.admin_site.each_context(request),
                "title": f"{_in_words(verb).capitalize()} {queryset.count()} tenant(s)",
                "tenants": queryset,
                "form": form,
                "verb": verb,
                "words": _in_words(verb),
                "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            },
        )


def _in_words(verb: str) -> str:
    return verb.replace("_", " ")


operators_admin.register(Tenant, TenantAdmin)
