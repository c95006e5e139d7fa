from django.urls import path

from tenant_apps.workspace import views

app_name = "workspace"
urlpatterns = [
    path("", views.home, name="home"),
    path("account/data/", views.take_out, name="take-out"),
    path("account/data/preview/", views.open_preview, name="preview"),
    path("account/data/<str:token>/", views.download_take_out, name="take-out-download"),
]
