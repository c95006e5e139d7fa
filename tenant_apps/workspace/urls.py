from django.urls import path

from tenant_apps.workspace import dashboard_views, owner_views, public_views, views

app_name = "workspace"
urlpatterns = [
    path("", views.home, name="home"),
    path("robots.txt", public_views.robots, name="robots"),
    path("sitemap.xml", public_views.sitemap, name="sitemap"),
    path("sitemap-products.xml", public_views.product_sitemap, name="product-sitemap"),
    path("workspace/style-<slug:version>.css", public_views.style, name="style"),
    path("account/workspace/", owner_views.workspace_settings, name="settings"),
    path("account/workspace/look/", owner_views.look, name="look"),
    path("account/workspace/logo/", owner_views.logo, name="logo"),
    path("account/workspace/menu/", owner_views.menu, name="menu"),
    path("account/workspace/home/", owner_views.home_page, name="home-page"),
    path("account/workspace/picture/", owner_views.picture, name="home-picture"),
    path("account/workspace/mail/", owner_views.mail, name="mail"),
    path("account/workspace/closing/", owner_views.close, name="closing"),
    path("account/workspace/preview/", owner_views.preview, name="look-preview"),
    path("account/workspace/publish/", owner_views.publish, name="look-publish"),
    path("account/workspace/discard/", owner_views.discard, name="look-discard"),
    path("dashboard/", dashboard_views.dashboard, name="dashboard"),
    path("dashboard/steps/close/", dashboard_views.close_steps, name="close-steps"),
    path("dashboard/report/", dashboard_views.choose_report, name="choose-report"),
    path("dashboard/report/<str:token>/leave/", dashboard_views.leave_report, name="leave-report"),
    path("account/data/", views.take_out, name="take-out"),
    path("account/data/preview/", views.open_preview, name="preview"),
    path("account/data/<str:token>/", views.download_take_out, name="take-out-download"),
]
