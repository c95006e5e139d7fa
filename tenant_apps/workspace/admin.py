"""What the tenant's admin holds: the admin classes of all tenant apps on one site."""

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from tenant_apps.activity.admin import DeliveryAdmin, EndpointAdmin, EntryAdmin, TrailAdmin
from tenant_apps.activity.models import Entry, WebhookDelivery, WebhookEndpoint
from tenant_apps.articles import admin as articles
from tenant_apps.articles.models import Article, Comment, OldAddress, Subscriber, Tag
from tenant_apps.articles.models import Category as ArticleCategory
from tenant_apps.products import admin as products
from tenant_apps.products.models import Category as ProductCategory
from tenant_apps.products.models import Product, Review
from tenant_apps.users import admin as users
from tenant_apps.users.models import ApiToken, Invitation, Role, User
from tenant_apps.workspace import configuration
from tenant_apps.workspace.admin_site import tenant_admin
from tenant_apps.workspace.models import Workspace
from tenant_apps.workspace.permissions import CHANGE_SETTINGS, may

__all__ = ["tenant_admin"]


class WorkspaceAdmin(TrailAdmin):
    """One row, so the list leads straight to it."""

    verbs_keep_the_trail = True
    fields = (
        *("name", "tagline", "language", "time_zone", "currency", "signup_open"),
        *("mail_from_name", "mail_reply_to", "api_origins"),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, CHANGE_SETTINGS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:workspace_workspace_change", args=[1]))

    def save_by_verb(self, request: HttpRequest, obj: Any, form: Any, *, change: bool) -> None:
        configuration.change_settings(
            changes={name: form.cleaned_data[name] for name in form.changed_data},
            by=cast("User", request.user),
        )


tenant_admin.register(Article, articles.ArticleAdmin)
tenant_admin.register(ArticleCategory, articles.CategoryAdmin)
tenant_admin.register(Tag, articles.TagAdmin)
tenant_admin.register(Comment, articles.CommentAdmin)
tenant_admin.register(Subscriber, articles.SubscriberAdmin)
tenant_admin.register(OldAddress, articles.OldAddressAdmin)
tenant_admin.register(Product, products.ProductAdmin)
tenant_admin.register(ProductCategory, products.CategoryAdmin)
tenant_admin.register(Review, products.ReviewAdmin)
tenant_admin.register(User, users.UserAdmin)
tenant_admin.register(Invitation, users.InvitationAdmin)
tenant_admin.register(Role, users.RoleAdmin)
tenant_admin.register(ApiToken, users.ApiTokenAdmin)
tenant_admin.register(Entry, EntryAdmin)
tenant_admin.register(WebhookEndpoint, EndpointAdmin)
tenant_admin.register(WebhookDelivery, DeliveryAdmin)
tenant_admin.register(Workspace, WorkspaceAdmin)
