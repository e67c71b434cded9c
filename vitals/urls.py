from django.urls import path

from vitals import api, views, wall
from vitals.nurse_plan import nurse_plan

app_name = "hyperspace"
urlpatterns = [
    path("", views.units, name="units"),
    path("units/<int:unit_id>/", views.board, name="board"),
    path("units/<int:unit_id>/cells/", views.board_cells, name="board-cells"),
    path("units/<int:unit_id>/unattended/", views.board_unattended, name="board-unattended"),
    path("units/<int:unit_id>/handover/", views.handover, name="handover"),
    path("units/<int:unit_id>/nurses/", nurse_plan, name="nurse-plan"),
    path("wall/", wall.wall, name="wall"),
    path("wall/cells/", wall.wall_cells, name="wall-cells"),
    path("api/beds/<slug:key>/vitals", api.bed_vitals, name="bed-vitals"),
    path("beds/<slug:key>/", views.bed, name="bed"),
    path("beds/<slug:key>/cells/", views.bed_cells, name="bed-cells"),
    path("beds/<slug:key>/trend/", views.bed_trend, name="bed-trend"),
    path("beds/<slug:key>/unattended/", views.bed_unattended, name="bed-unattended"),
]
