"""The public site, included at its root."""

from django.urls import path

from shared_apps.front_door import views

app_name = "front_door"
urlpatterns = [
    path("", views.landing, name="landing"),
    path("sign-up/", views.sign_up, name="sign_up"),
    path("sign-up/code/", views.code, name="code"),
    path("sign-up/link/<str:token>/", views.link, name="link"),
    path("sign-up/workspace/", views.workspace, name="workspace"),
    path("sign-up/address/", views.address, name="address"),
    path("sign-up/progress/", views.progress, name="progress"),
    path("sign-up/progress/state/", views.progress_state, name="progress_state"),
    path("sign-up/progress/events/", views.progress_events, name="progress_events"),
    path("sign-up/enter/", views.enter, name="enter"),
    path("find/", views.find_workspace, name="find_workspace"),
    path("find/sent/", views.find_workspace_sent, name="find_workspace_sent"),
]
