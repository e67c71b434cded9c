from django.urls import path

from vitals import mychart

app_name = "mychart"
urlpatterns = [path("", mychart.own_vitals, name="vitals")]
