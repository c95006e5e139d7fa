"""How the tenant's admin looks and what its sidebar offers: the setting UNFOLD_TENANT.

Imported by the settings, so nothing here may import models.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


def _to(name: str) -> Callable[[HttpRequest], str]:
    """The address of a page, looked up when it is shown: these settings are read on every host."""
    return lambda request: reverse(name)


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    def check(request: HttpRequest) -> bool:
        return request.user.is_authenticated and request.user.has_perm(permission)

    return check


def _item(title: str, icon: str, url: str, permission: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": _to(url), "permission": _may(permission)}


UNFOLD_TENANT: dict[str, Any] = {
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "BORDER_RADIUS": "8px",
    "ACCOUNT": {"navigation": [{"title": "Your account", "link": _to("users:profile")}]},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item("Today", "today", "admin:index", "users.use_admin"),
                    _item("Dashboard", "monitoring", "workspace:dashboard", "articles.add_article"),
                    {"title": "To the site", "icon": "storefront", "link": "/", "active": False},
                ]
            },
            {
                "title": "Articles",
                "separator": True,
                "items": [
                    _item(
                        "Articles",
                        "article",
                        "admin:articles_article_changelist",
                        "articles.add_article",
                    ),
                    _item(
                        "Categories",
                        "account_tree",
                        "admin:articles_category_changelist",
                        "articles.manage_categories",
                    ),
                    _item(
                        "Tags",
                        "sell",
                        "admin:articles_tag_changelist",
                        "articles.manage_categories",
                    ),
                    _item(
                        "Comments",
                        "forum",
                        "admin:articles_comment_changelist",
                        "articles.moderate_comments",
                    ),
                    _item(
                        "Subscribers",
                        "mark_email_read",
                        "admin:articles_subscriber_changelist",
                        "articles.manage_subscribers",
                    ),
                    _item(
                        "Old addresses",
                        "alt_route",
                        "admin:articles_oldaddress_changelist",
                        "articles.add_article",
                    ),
                    _item(
                        "Move in", "move_to_inbox", "articles:move-in", "articles.publish_article"
                    ),
                ],
            },
            {
                "title": "Products",
                "separator": True,
                "items": [
                    _item(
                        "Products",
                        "inventory_2",
                        "admin:products_product_changelist",
                        "products.change_product",
                    ),
                    _item(
                        "Categories",
                        "category",
                        "admin:products_category_changelist",
                        "products.change_product",
                    ),
                    _item(
                        "Reviews",
                        "reviews",
                        "admin:products_review_changelist",
                        "products.moderate_reviews",
                    ),
                    _item("Low in stock", "inventory", "products:stock", "products.change_product"),
                    _item("Import", "upload_file", "products:import", "products.import_products"),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _item("People", "group", "admin:users_user_changelist", "users.view_user"),
                    _item(
                        "Invitations",
                        "mail",
                        "admin:users_invitation_changelist",
                        "users.manage_people",
                    ),
                    _item("Roles", "badge", "admin:users_role_changelist", "users.manage_people"),
                    _item(
                        "API tokens",
                        "key",
                        "admin:users_apitoken_changelist",
                        "users.manage_people",
                    ),
                ],
            },
            {
                "title": "Workspace",
                "separator": True,
                "items": [
                    _item(
                        "Settings",
                        "settings",
                        "admin:workspace_workspace_changelist",
                        "workspace.change_settings",
                    ),
                    _item("Look", "palette", "workspace:look", "workspace.change_look"),
                    _item("Closing", "door_front", "workspace:closing", "workspace.close_site"),
                    _item(
                        "Audit trail",
                        "history",
                        "admin:activity_entry_changelist",
                        "activity.view_entry",
                    ),
                    _item(
                        "Webhooks",
                        "webhook",
                        "admin:activity_webhookendpoint_changelist",
                        "activity.manage_webhooks",
                    ),
                    _item("Take-out", "download", "workspace:take-out", "workspace.take_out_data"),
                ],
            },
        ],
    },
    # The accent of the site's stylesheet, hue 162.
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .015 162)",
            "100": "oklch(94.5% .035 162)",
            "200": "oklch(89% .065 162)",
            "300": "oklch(82% .095 162)",
            "400": "oklch(72% .11 162)",
            "500": "oklch(60% .105 162)",
            "600": "oklch(50% .095 162)",
            "700": "oklch(43% .08 162)",
            "800": "oklch(36% .065 162)",
            "900": "oklch(30% .05 162)",
            "950": "oklch(22% .04 162)",
        },
    },
}
