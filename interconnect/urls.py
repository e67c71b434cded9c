"""The door for senders without MLLP."""

from django.urls import path

from interconnect.views import deliver

app_name = "interconnect"
urlpatterns = [path("hl7", deliver, name="deliver")]
