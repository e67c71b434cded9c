from django.contrib import admin
from django.urls import path

from monitoring import auditor, redis_pages, views

staff = admin.site.admin_view

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("operations/now", views.operations_now, name="operations_now"),
    path("operations/panels", views.operations_panels, name="operations_panels"),
    path("admin/redis/<str:role>/", staff(redis_pages.server), name="redis_server"),
    path("admin/redis/<str:role>/key/", staff(redis_pages.key), name="redis_key"),
    path("admin/redis/<str:role>/key/replace/", staff(redis_pages.replace_value), name="redis_key_replace"),
    path("admin/audit/questions/", staff(auditor.questions), name="audit_questions"),
    path("admin/audit/questions/patient/", staff(auditor.find_patient), name="audit_find_patient"),
    path("admin/audit/questions/export/<str:form>/", staff(auditor.export), name="audit_export"),
]
