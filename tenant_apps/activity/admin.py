"""An admin whose history is the audit trail.

Django's admin keeps its history in `django_admin_log`, which needs content types and a foreign key
to the users. A tenant has neither table: these classes write to `activity.Entry` and read from
there.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from tenant_apps.activity import endpoints, trail, webhooks
from tenant_apps.activity.errors import WebhookError
from tenant_apps.activity.event_types import registered_event_types
from tenant_apps.activity.models import Entry, WebhookDelivery, WebhookEndpoint
from tenant_apps.activity.permissions import can_manage_webhooks

HISTORY_PER_PAGE = 50


class TrailAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Base of every ModelAdmin in a tenant's admin.

    Doors that call a verb set `verbs_keep_the_trail`: the verb has written its own, better line.
    """

    verbs_keep_the_trail = False
    # Errors of the app's verbs: shown in the form, with nothing written and what was typed kept.
    domain_errors: tuple[type[Exception], ...] = ()
    object_history_template = "tenant/admin/object_history.html"
    # Unfold shows a fieldset's fields with labels; what a form hides goes before them.
    change_form_before_template = "tenant/admin/hidden_fields.html"
    # Django's own way asks content types for the address; see get_view_on_site_url.
    view_on_site = True

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except self.domain_errors as error:
            # Django's view runs in a transaction of its own, which this has rolled back. Once more,
            # with a form that does not pass (see get_form).
            request.terrace_refusal = (getattr(error, "field", ""), str(error))  # type: ignore[attr-defined]
            response = super().changeform_view(request, object_id, form_url, extra_context)
        return response

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            response: HttpResponse = super().delete_view(request, object_id, extra_context)
        except self.domain_errors as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return response

    def get_form(
        self,
        request: HttpRequest,
        obj: Model | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> Any:
        """Django's form; where a verb has refused it, one that says so and does not pass."""
        form = super().get_form(request, obj, change=change, **kwargs)
        field, sentence = getattr(request, "terrace_refusal", ("", ""))
        return _refused(form, field, sentence) if sentence else form

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        self.save_by_verb(request, obj, form, change=change)

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: list[Any],
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """The rows that belong to the object, then what the pressed button asks for on top of
        saving."""
        super().save_related(request, form, formsets, change)
        for button in self.get_actions_submit_line(request, form.instance.pk):
            if button.action_name in request.POST:
                button.method(request, form.instance)

    def save_by_verb(self, request: HttpRequest, obj: Model, form: Any, *, change: bool) -> None:
        """Keep what the form holds; classes with verbs call them here."""
        obj.save()

    def for_each(
        self,
        request: HttpRequest,
        queryset: Iterable[Model],
        verb: Callable[[Any], object],
        done: str,
    ) -> None:
        """Carry a verb out on each chosen object, and say for which it was not possible."""
        refusals: tuple[type[Exception], ...] = (*self.domain_errors, PermissionDenied)
        count = 0
        for obj in queryset:
            try:
                verb(obj)
            except refusals as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                count += 1
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        if self.verbs_keep_the_trail:
            return
        trail.record(
            verb=f"{obj._meta.model_name}.added",
            subject=obj,
            actor=request.user,  # type: ignore[arg-type]  # the admin lets nobody else in
        )

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        if self.verbs_keep_the_trail or not message:
            return
        trail.record(
            verb=f"{obj._meta.model_name}.changed",
            subject=obj,
            actor=request.user,  # type: ignore[arg-type]  # the admin lets nobody else in
            after={"fields": _field_names(message)},
        )

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> None:
        if self.verbs_keep_the_trail:
            return
        objects = list(queryset)
        if objects:
            trail.record_many(
                verb=f"{objects[0]._meta.model_name}.deleted",
                subjects=objects,
                actor=request.user,  # type: ignore[arg-type]  # the admin lets nobody else in
            )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return gone
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        paginator = self.get_paginator(request, Entry.objects.about(obj), HISTORY_PER_PAGE)
        page = paginator.get_page(request.GET.get(PAGE_VAR, 1))
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            self.object_history_template,
            {
                **self.admin_site.each_context(request),
                "title": f"History of {obj}",
                "subtitle": None,
                "entries": page,
                "page_range": paginator.get_elided_page_range(page.number),
                "page_var": PAGE_VAR,
                "module_name": str(capfirst(self.opts.verbose_name_plural)),
                "object": obj,
                "opts": self.opts,
                "preserved_filters": self.get_preserved_filters(request),
                **(extra_context or {}),
            },
        )

    def get_view_on_site_url(self, obj: Model | None = None) -> str | None:
        if obj is None or not self.view_on_site or not hasattr(obj, "get_absolute_url"):
            return None
        url: str = obj.get_absolute_url()
        return url

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        form_url: str = "",
        obj: Model | None = None,
    ) -> TemplateResponse:
        """Django 5.2's method without `content_type_id`, for which it would query content types."""
        view_on_site_url = self.get_view_on_site_url(obj)
        inlines = context["inline_admin_formsets"]
        context.update(
            {
                "add": add,
                "change": change,
                "has_view_permission": self.has_view_permission(request, obj),
                "has_add_permission": self.has_add_permission(request),
                "has_change_permission": self.has_change_permission(request, obj),
                "has_delete_permission": self.has_delete_permission(request, obj),
                "has_editable_inline_admin_formsets": any(
                    inline.has_add_permission
                    or inline.has_change_permission
                    or inline.has_delete_permission
                    for inline in inlines
                ),
                "has_file_field": context["adminform"].form.is_multipart()
                or any(inline.formset.is_multipart() for inline in inlines),
                "has_absolute_url": view_on_site_url is not None,
                "absolute_url": view_on_site_url,
                "form_url": add_preserved_filters(
                    {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts},
                    form_url,
                ),
                "opts": self.opts,
                "save_as": self.save_as,
                "save_on_top": self.save_on_top,
                "to_field_var": TO_FIELD_VAR,
                "is_popup_var": IS_POPUP_VAR,
                "app_label": self.opts.app_label,
            }
        )
        request.current_app = self.admin_site.name
        template = (
            self.add_form_template if add and self.add_form_template else self.change_form_template
        )
        return TemplateResponse(request, template or "admin/change_form.html", context)


class EntryAdmin(TrailAdmin):
    """The trail itself: to be read, never changed."""

    list_display = ("at", "verb", "object_label", "actor_email", "ip_address")
    list_filter = ("verb",)
    search_fields = ("object_label", "actor_email", "verb")
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class _WebhookAdmin(TrailAdmin):
    """For whoever may manage webhooks, as everywhere."""

    verbs_keep_the_trail = True
    domain_errors = (WebhookError,)
    list_per_page = 50
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return can_manage_webhooks(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return can_manage_webhooks(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    event_types = forms.MultipleChoiceField(
        widget=UnfoldAdminCheckboxSelectMultipleWidget, label="Send these events"
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["url", "description", "event_types"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "event_types" in self.fields:
            field = cast("forms.MultipleChoiceField", self.fields["event_types"])
            field.choices = [(one.name, one.label) for one in registered_event_types()]


class EndpointAdmin(_WebhookAdmin):
    """The addresses that events are sent to. A new one is made in its page, which shows the secret."""

    form = EndpointForm
    list_display = ("__str__", "url", "shown_state", "created_at")
    list_filter = ("off_reason",)
    search_fields = ("url", "description")
    readonly_fields = (
        *("created_at", "created_by", "failing_since"),
        *("switched_off_at", "switched_off_by", "off_reason"),
    )
    fields = ("url", "description", "event_types", *readonly_fields)
    list_select_related = True
    actions = ("switch_on", "switch_off", "send_test")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return can_manage_webhooks(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return can_manage_webhooks(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return can_manage_webhooks(request.user)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("activity:webhooks"))

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        endpoints.change_endpoint(endpoint=obj, changes=changes, by=_person(request))

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        endpoints.delete_endpoint(endpoint=obj, by=_person(request))

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[WebhookEndpoint]) -> None:
        for endpoint in queryset:
            endpoints.delete_endpoint(endpoint=endpoint, by=_person(request))

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description="State", label={"on": "success", "failing": "warning", "off": "danger"}
    )
    def shown_state(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.state

    @action(description="Switch on")  # type: ignore[untyped-decorator]  # unfold has no types
    def switch_on(self, request: HttpRequest, queryset: Iterable[WebhookEndpoint]) -> None:
        by = _person(request)
        self.for_each(
            request,
            queryset,
            lambda one: endpoints.switch_on(endpoint=one, by=by),
            "switched on",
        )

    @action(description="Switch off")  # type: ignore[untyped-decorator]  # unfold has no types
    def switch_off(self, request: HttpRequest, queryset: Iterable[WebhookEndpoint]) -> None:
        by = _person(request)
        self.for_each(
            request,
            queryset,
            lambda one: endpoints.switch_off(endpoint=one, by=by),
            "switched off",
        )

    @action(description="Send a test event")  # type: ignore[untyped-decorator]  # unfold has no types
    def send_test(self, request: HttpRequest, queryset: Iterable[WebhookEndpoint]) -> None:
        by = _person(request)
        self.for_each(
            request,
            queryset,
            lambda one: webhooks.send_test_event(endpoint=one, by=by),
            "on the way",
        )


class DeliveryAdmin(_WebhookAdmin):
    """What was sent, and what was answered: to be read and sent again."""

    list_display = ("event", "endpoint", "shown_state", "response_status", "last_attempt_at")
    list_filter = ("state", "endpoint")
    list_select_related = ("event", "endpoint")
    search_fields = ("event__type", "endpoint__url")
    fields = (
        *("event", "endpoint", "state", "attempts", "next_attempt_at", "last_attempt_at"),
        *("delivered_at", "duration_ms", "response_status", "response_body", "failure"),
        *("replayed_at", "replayed_by"),
    )
    actions = ("replay",)

    @display(  # type: ignore[untyped-decorator]  # unfold has no types
        description="State",
        label={"waiting": "warning", "delivered": "success", "failed": "danger"},
    )
    def shown_state(self, delivery: WebhookDelivery) -> str:
        return delivery.state

    @action(description="Send again")  # type: ignore[untyped-decorator]  # unfold has no types
    def replay(self, request: HttpRequest, queryset: Iterable[WebhookDelivery]) -> None:
        by = _person(request)
        self.for_each(
            request,
            queryset,
            lambda one: webhooks.replay_delivery(delivery=one, by=by),
            "on the way again",
        )


def _person(request: HttpRequest) -> AbstractBaseUser:
    return cast("AbstractBaseUser", request.user)


def _refused(form: Any, field: str, sentence: str) -> Any:
    class RefusedForm(form):  # type: ignore[misc]  # made at run time, as Django's admin makes its own
        def clean(self) -> Any:
            cleaned = super().clean()
            self.add_error(field if field in self.fields else None, sentence)
            return cleaned

    return RefusedForm


def _field_names(message: Any) -> list[str]:
    """The field labels in Django's change message, `[{"changed": {"fields": [...]}}]`."""
    if not isinstance(message, list):
        return []
    return [
        str(field)
        for part in message
        for details in part.values()
        for field in details.get("fields", [])
    ]
