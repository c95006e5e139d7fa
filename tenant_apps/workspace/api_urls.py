from rest_framework.routers import SimpleRouter

from tenant_apps.articles.api import ArticleViewSet, CategoryViewSet, CommentViewSet, PictureViewSet
from tenant_apps.products.api import ProductViewSet

app_name = "api"
router = SimpleRouter(use_regex_path=False)
router.register("articles", ArticleViewSet, basename="article")
router.register("article-categories", CategoryViewSet, basename="article-category")
router.register("comments", CommentViewSet, basename="comment")
router.register("pictures", PictureViewSet, basename="picture")
router.register("products", ProductViewSet, basename="product")
urlpatterns = router.urls
