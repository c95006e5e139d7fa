from rest_framework.routers import SimpleRouter

from tenant_apps.articles.api import ArticleViewSet
from tenant_apps.products import api_urls as products
from tenant_apps.products.api import CategoryViewSet, ProductViewSet, ReviewViewSet

app_name = "api"
router = SimpleRouter(use_regex_path=False)
router.register("articles", ArticleViewSet, basename="article")
router.register("products", ProductViewSet, basename="product")
router.register("product-categories", CategoryViewSet, basename="product-category")
router.register("reviews", ReviewViewSet, basename="review")
urlpatterns = [*router.urls, *products.urlpatterns]
