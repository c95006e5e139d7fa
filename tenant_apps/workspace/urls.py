from django.urls import path

from tenant_apps.workspace import dashboard_views, views

app_name = "workspace"
urlpatterns = [
    path("", views.home, name="home"),
    path("dashboard/", dashboard_views.dashboard, name="dashboard"),
    path("dashboard/steps/close/", dashboard_views.close_steps, name="close-steps"),
    path("dashboard/report/", dashboard_views.choose_report, name="choose-report"),
    path("dashboard/report/<str:token>/leave/", dashboard_views.leave_report, name="leave-report"),
    path("account/data/", views.take_out, name="take-out"),
    path("account/data/preview/", views.open_preview, name="preview"),
    path("account/data/<str:token>/", views.download_take_out, name="take-out-download"),
]
