from django.urls import path

from monitoring import views

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("operations/now", views.operations_now, name="operations_now"),
    path("operations/panels", views.operations_panels, name="operations_panels"),
]
