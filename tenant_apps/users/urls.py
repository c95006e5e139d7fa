from django.urls import path

from tenant_apps.users import views

app_name = "users"
urlpatterns = [
    path("welcome/", views.welcome, name="welcome"),
    path("invitations/<str:token>/", views.accept_invitation, name="invitation"),
    path("account/", views.profile, name="profile"),
    path("account/picture/", views.avatar, name="avatar"),
    path("account/devices/", views.list_sign_ins, name="sign-ins"),
    path("account/devices/end-all/", views.sign_out_everywhere, name="sign-out-everywhere"),
    path("account/devices/<uuid:pk>/end/", views.end_sign_in, name="end-sign-in"),
    path("account/tokens/", views.tokens, name="tokens"),
    path("account/tokens/<uuid:pk>/revoke/", views.revoke_token, name="revoke-token"),
    path("account/leave/", views.leave, name="leave"),
]
