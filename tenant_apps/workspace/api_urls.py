from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from tenant_apps.activity import api as activity
from tenant_apps.api.doors import with_manners
from tenant_apps.api.views import Document, not_found, show_document
from tenant_apps.articles import api as articles
from tenant_apps.articles import api_readers as readers
from tenant_apps.articles import api_sorting as sorting
from tenant_apps.products import api as products
from tenant_apps.products import api_imports as imports
from tenant_apps.products import api_shop as shop
from tenant_apps.products import api_urls as products_urls
from tenant_apps.users import api as users
from tenant_apps.workspace import api as workspace
from tenant_apps.workspace.statistics_api import stats

app_name = "api"
router = SimpleRouter(use_regex_path=False)
router.register("articles", articles.ArticleViewSet, basename="article")
router.register("article-categories", sorting.CategoryViewSet, basename="article-category")
router.register("tags", sorting.TagViewSet, basename="tag")
router.register("old-addresses", sorting.OldAddressViewSet, basename="old-address")
router.register("comments", readers.CommentViewSet, basename="comment")
router.register("subscribers", readers.SubscriberViewSet, basename="subscriber")
router.register("pictures", articles.PictureViewSet, basename="picture")
router.register("products", products.ProductViewSet, basename="product")
router.register("product-categories", shop.CategoryViewSet, basename="product-category")
router.register("product-imports", imports.ImportRunViewSet, basename="product-import")
router.register("reviews", shop.ReviewViewSet, basename="review")
router.register("stock-alerts", shop.StockAlertViewSet, basename="stock-alert")
router.register("me/sign-ins", users.MySignIns, basename="my-sign-in")
router.register("me/notifications", activity.MyNotifications, basename="my-notification")
router.register("me/tokens", users.MyTokens, basename="my-token")
router.register("people", users.PeopleViewSet, basename="person")
router.register("invitations", users.InvitationViewSet, basename="invitation")
router.register("roles", users.RoleViewSet, basename="role")
router.register("webhooks", activity.WebhookViewSet, basename="webhook")
router.register(
    "webhooks/<uuid:endpoint_id>/deliveries",
    activity.DeliveryViewSet,
    basename="webhook-delivery",
)
urlpatterns = [
    *with_manners(
        [
            *router.urls,
            *products_urls.urlpatterns,
            path("me/", users.Me.as_view(), name="me"),
            path("me/avatar/", users.MyAvatar.as_view(), name="my-avatar"),
            path("auth/log-in/", users.LogIn.as_view(), name="log-in"),
            path("auth/refresh/", users.Refresh.as_view(), name="refresh"),
            path("auth/log-out/", users.LogOut.as_view(), name="log-out"),
            path("workspace/", workspace.Settings.as_view(), name="workspace"),
            path("openapi.json", Document.as_view(), name="document"),
        ]
    ),
    path("stats/", stats, name="stats"),
    path("docs/", show_document, name="docs"),
    # Whatever else is asked for: JSON, where a developer's machine would show a page.
    re_path("", not_found),
]
