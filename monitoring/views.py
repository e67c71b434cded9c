"""Probes for load balancers and supervisors, metrics for Prometheus, and the polled part of the operations page."""

from django.conf import settings
from django.contrib import admin
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST

from epicops.passive import passive
from monitoring.health import is_migrated
from monitoring.metrics import exposition
from monitoring.panels import read_panels, strip
from monitoring.status import status


def healthz(_request: HttpRequest) -> JsonResponse:
    """Say that the process serves requests; touches nothing else, so an outage elsewhere restarts no process."""
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> JsonResponse:
    """503 without PostgreSQL or its tables; 200 "degraded" when a part is away that has a fallback or can catch up."""
    try:
        migrated = is_migrated()
    except DatabaseError:
        migrated = False
    now = status()
    words = {True: "up", False: "down", None: "unknown"}
    parts = {name.lower().replace(" ", "_"): words[up] for name, up in now.parts.items()}
    parts["migrations"] = "up" if migrated else "down"
    if not migrated or not now.servers["PostgreSQL"]:
        return JsonResponse({"status": "unavailable", **parts}, status=503)
    return JsonResponse({"status": "ok" if set(parts.values()) == {"up"} else "degraded", **parts})


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape that brings the key as bearer token. Without a key in the settings there is no such page."""
    if not settings.EPICOPS_METRICS_KEY:
        raise Http404
    if not constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {settings.EPICOPS_METRICS_KEY}"):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)


def now(request: HttpRequest) -> HttpResponse:
    return render(request, "admin/status_strip.html", strip())


def panels(request: HttpRequest) -> HttpResponse:
    return render(request, "admin/panels.html", {"panels": read_panels()})


operations_now = passive(admin.site.admin_view(now))
operations_panels = passive(admin.site.admin_view(panels))
