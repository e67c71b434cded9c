"""Pages of the Redis servers: how each is, and one key of the cache or the queue at a time."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST, require_safe
from redis.exceptions import NoPermissionError, RedisError

from audit.admin import record
from epicops.redis_client import Redis
from monitoring import key_inspector, redis_servers
from monitoring.health import ROLES

PARTS = {
    "digest": redis_servers.digest,
    "families": redis_servers.families,
    "slow": redis_servers.slow_log,
    "clients": redis_servers.clients,
}
REPLACED = messages.SUCCESS, "Replaced. The worker writes it anew with the next reading."
CHANGED = messages.ERROR, "It has changed meanwhile: look again."
REFUSED = "refused by the server's access list"


def client_of(role: str) -> Redis:
    """Return a role's client; 404 for what is no role."""
    if role not in ROLES:
        raise Http404
    return ROLES[role]()


@permission_required("monitoring.view_redis", raise_exception=True)
@require_safe
def server(request: HttpRequest, role: str) -> HttpResponse:
    """Show a server's state; a part that it refuses or does not answer says so."""
    client = client_of(role)
    context: dict[str, Any] = {name: ask(read, client) for name, read in PARTS.items()}
    return page(request, "server", role, has_keys=role in key_inspector.ALLOWED, **context)


def ask(read: Any, client: Redis) -> dict[str, Any]:
    try:
        return {"found": read(client)}
    except NoPermissionError:
        return {"problem": REFUSED}
    except (RedisError, OSError):
        return {"problem": "no answer"}


@permission_required("monitoring.view_redis", raise_exception=True)
@require_POST
def key(request: HttpRequest, role: str) -> HttpResponse:
    """Show a key; its value to those who may see it, and that is on record first."""
    name = request.POST.get("name", "").strip()
    return show(request, role, name)


@permission_required("monitoring.change_redis_value", raise_exception=True)
@require_POST
def replace_value(request: HttpRequest, role: str) -> HttpResponse:
    """Replace a cached document, if it still is what was seen, and record it."""
    name, value = request.POST.get("name", ""), request.POST.get("value", "").strip()
    client = allowed(role, name)
    if not key_inspector.EDITABLE.fullmatch(name):
        raise Http404
    try:
        # First: what cannot be recorded is not done. No key holds patient data.
        record(request, "U", "redis.replace", "redis key", name[:64])
        is_done = key_inspector.replace(client, name, request.POST.get("sha1", ""), value)
    except ValueError as error:
        messages.error(request, f"{error}: nothing was changed.")
    except RedisError:
        messages.error(request, "The server does not answer: look again whether it was changed.")
    else:
        messages.add_message(request, *(REPLACED if is_done else CHANGED))
    return show(request, role, name)


def show(request: HttpRequest, role: str, name: str) -> HttpResponse:
    client = allowed(role, name)
    may_see = request.user.has_perm("monitoring.view_redis_value")
    if may_see:
        record(request, "R", "redis.view", "redis key", name[:64])
    try:
        found, problem = key_inspector.read(client, name), "There is no such key now."
    except (RedisError, OSError) as error:
        found, problem = None, REFUSED if isinstance(error, NoPermissionError) else "The server does not answer."
    return page(request, "key", role, key=found, name=name, problem=problem, may_see=may_see)


def allowed(role: str, name: str) -> Redis:
    """Return the role's client; 404 for a key that is not to be looked at."""
    client = client_of(role)
    if not key_inspector.is_allowed(role, name):
        raise Http404
    return client


def page(request: HttpRequest, template: str, role: str, **context: Any) -> HttpResponse:
    base = {**admin.site.each_context(request), "title": f"Redis {role}", "server_role": role}
    return TemplateResponse(request, f"admin/redis/{template}.html", {**base, **context})
