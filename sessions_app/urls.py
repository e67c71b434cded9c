from django.urls import path

from sessions_app import views, workstation

app_name = "sessions"
urlpatterns = [
    path("login/", views.HyperspaceLogin.as_view(), name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("unlock/", workstation.Unlock.as_view(), name="unlock"),
    path("break-glass/", workstation.OpenBreakGlass.as_view(), name="break-glass"),
    path("break-glass/close/", workstation.close_break_glass, name="close-break-glass"),
]
