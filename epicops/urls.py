"""Every address of epicops."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("hyperspace/", include("vitals.urls")),  # first: boards and dashboards ask all the time
    path("admin/", include("sessions_app.operator_urls")),  # ahead of the admin's own doors
    path("", include("monitoring.urls")),
    path("admin/", admin.site.urls),
    path("", include("sessions_app.urls")),
    path("mychart/", include("vitals.mychart_urls")),
    path("interconnect/", include("interconnect.urls")),
]
