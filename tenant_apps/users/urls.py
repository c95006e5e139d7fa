from django.urls import path

from tenant_apps.users import views

app_name = "users"
urlpatterns = [
    path("welcome/", views.welcome, name="welcome"),
    path("invitations/<str:token>/", views.accept_invitation, name="invitation"),
    path("account/", views.profile, name="profile"),
    path("account/leave/", views.leave, name="leave"),
]
