from django.urls import path, re_path
from django.urls.converters import UUIDConverter

from tenant_apps.articles import views

app_name = "articles"
urlpatterns = [
    path("articles/", views.article_list, name="list"),
    path("articles/category/", views.categories, name="categories"),
    path("articles/category/<str:slug>/", views.category, name="category"),
    path("articles/tag/<str:slug>/", views.tag, name="tag"),
    path("articles/<str:slug>/", views.article, name="article"),
    path("desk/", views.desk, name="desk"),
    path("desk/new/", views.write, name="write"),
    path("desk/preview/", views.preview, name="preview"),
    path("desk/<uuid:pk>/", views.edit, name="edit"),
    path("desk/<uuid:pk>/schedule/", views.schedule, name="schedule"),
    path("desk/<uuid:pk>/delete/", views.delete, name="delete"),
    re_path(
        rf"^desk/(?P<pk>{UUIDConverter.regex})/(?P<name>submit|publish|unpublish|archive)/$",
        views.step,
        name="step",
    ),
]
