from django.urls import path

from epicops.portal import HYPERSPACE, MYCHART
from sessions_app import own, views, workstation

app_name = "sessions"
urlpatterns = [
    path("", views.home, name="home"),
    path("hyperspace/login/", views.HyperspaceLogin.as_view(), name="login"),
    path("hyperspace/logout/", views.sign_out, name="logout"),
    path("hyperspace/lock/", workstation.lock, name="lock"),
    path("hyperspace/unlock/", workstation.Unlock.as_view(), name="unlock"),
    path("hyperspace/break-glass/", workstation.OpenBreakGlass.as_view(), name="break-glass"),
    path("hyperspace/break-glass/close/", workstation.close_break_glass, name="close-break-glass"),
    path("hyperspace/sessions/", own.OwnSessions.as_view(portal=HYPERSPACE), name="own"),
    path("hyperspace/password/", own.ChangePassword.as_view(portal=HYPERSPACE), name="password"),
    path("mychart/login/", views.MyChartLogin.as_view(), name="mychart-login"),
    path("mychart/logout/", views.sign_out, name="mychart-logout"),
    path("mychart/sessions/", own.OwnSessions.as_view(portal=MYCHART), name="mychart-own"),
    path("mychart/password/", own.ChangePassword.as_view(portal=MYCHART), name="mychart-password"),
    path("session/left/", own.left, name="left"),
    path("session/stay/", own.stay, name="stay"),
]
