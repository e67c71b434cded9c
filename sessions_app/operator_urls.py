from django.contrib import admin
from django.urls import path

from sessions_app import second_factor, views

staff = admin.site.admin_view

urlpatterns = [
    path("login/", views.OperatorLogin.as_view()),
    path("logout/", views.sign_out),
    path("second-factor/", staff(second_factor.page), name="second_factor"),
    path("second-factor/on/", staff(second_factor.switch_on), name="second_factor_on"),
    path("second-factor/off/", staff(second_factor.switch_off), name="second_factor_off"),
]
