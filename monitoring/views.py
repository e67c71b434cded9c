"""Probes for load balancers and supervisors."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError

from epicops.redis_client import queue_client, sessions_client


def healthz(_request: HttpRequest) -> JsonResponse:
    """Say that the process serves requests; touches nothing else, so an outage elsewhere restarts no process."""
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> JsonResponse:
    """503 without PostgreSQL; 200 "degraded" without Redis, which has fallbacks."""
    try:
        connection.ensure_connection()
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "postgresql": "down"}, status=503)
    redis = {"sessions": "up", "queue": "up"}
    for role, client in (("sessions", sessions_client()), ("queue", queue_client())):
        try:
            client.ping()
        except RedisError:
            redis[role] = "down"
    status = "degraded" if "down" in redis.values() else "ok"
    return JsonResponse({"status": status, "postgresql": "up", **redis})
