from django.urls import path

from tenant_apps.activity import live_views, views
from tenant_apps.activity import notification_views as notifications

app_name = "activity"
urlpatterns = [
    path("account/webhooks/", views.list_webhooks, name="webhooks"),
    path("account/webhooks/<uuid:pk>/", views.show_webhook, name="webhook"),
    path("account/webhooks/<uuid:pk>/secret/", views.rotate_secret, name="rotate-secret"),
    path("account/webhooks/<uuid:pk>/test/", views.send_test, name="test-webhook"),
    path("account/webhooks/<uuid:pk>/on/", views.switch_on, name="switch-on"),
    path("account/webhooks/<uuid:pk>/off/", views.switch_off, name="switch-off"),
    path("account/webhooks/<uuid:pk>/replay/", views.replay_failed, name="replay-failed"),
    path("account/webhooks/<uuid:pk>/delete/", views.delete_webhook, name="delete-webhook"),
    path("account/webhooks/deliveries/<uuid:pk>/", views.show_delivery, name="delivery"),
    path("account/webhooks/deliveries/<uuid:pk>/replay/", views.replay, name="replay"),
    path("account/notifications/", notifications.list_notifications, name="notifications"),
    path("account/notifications/bell/", notifications.show_bell, name="bell"),
    path("account/notifications/read/", notifications.read_all, name="read-notifications"),
    path("account/notifications/choices/", notifications.choose, name="notification-choices"),
    path(
        "account/notifications/no-mails/<str:token>/", notifications.leave_mails, name="leave-mails"
    ),
    path("account/notifications/<uuid:pk>/", notifications.open_one, name="notification"),
    path("account/notifications/<uuid:pk>/read/", notifications.read_one, name="read-notification"),
    path("live/", live_views.follow, name="live"),
]
