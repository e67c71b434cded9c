from django.urls import path

from sessions_app import views

app_name = "sessions"
urlpatterns = [
    path("login/", views.HyperspaceLogin.as_view(), name="login"),
    path("unlock/", views.Unlock.as_view(), name="unlock"),
    path("logout/", views.sign_out, name="logout"),
]
