from django.urls import path

from sessions_app import views

urlpatterns = [
    path("login/", views.OperatorLogin.as_view()),
    path("logout/", views.sign_out),
]
