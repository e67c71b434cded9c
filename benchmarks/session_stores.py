"""What `benchmarks/sessions.py` compares: five session engines with many live sessions each, set up alike.

Import it before Django is set up. The peers have their usual settings, plus the socket timeouts of our engine, without
which a frozen Redis stops them for ever.
"""

import importlib
import os
import random
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "CRITICAL")

import django
from django.conf import settings

from epicops.redis_client import SESSIONS_TIMEOUT

OURS = "sessions_app.backend"
ENGINES = {
    "epicops": OURS,
    "db": "django.contrib.sessions.backends.db",
    "cache": "django.contrib.sessions.backends.cache",
    "cached_db": "django.contrib.sessions.backends.cached_db",
    "redis-sessions": "redis_sessions.session",
}
settings.INSTALLED_APPS += ["django.contrib.sessions"]
settings.CACHES["peers"] = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": settings.EPICOPS_REDIS_SESSIONS_URL,
    "OPTIONS": {"SOCKET_TIMEOUT": SESSIONS_TIMEOUT, "SOCKET_CONNECT_TIMEOUT": SESSIONS_TIMEOUT},
}
settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
settings.SESSION_CACHE_ALIAS = "peers"
settings.SESSION_REDIS = {"url": settings.EPICOPS_REDIS_SESSIONS_URL, "socket_timeout": SESSIONS_TIMEOUT}
django.setup()

from django.contrib.sessions.middleware import SessionMiddleware
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.timezone import now

from epicops import keys
from epicops.bulk import chunks
from epicops.redis_client import sessions_client, sessions_command_client
from sessions_app.backend import SIGNED_FOR
from sessions_app.held import CLEAR
from sessions_app.ids import fingerprint, handle, key_hash, seal
from sessions_app.middleware import ActivitySessionMiddleware
from sessions_app.models import SessionRecord

UNITS = resolve("/hyperspace/")
DATA = {  # 10 keys: some 430 bytes once they are signed
    "_auth_user_id": "17",
    "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
    "_auth_user_hash": "9f" * 32,
    "role": "nurse",
    "department": "medicine",
    "portal": "Hyperspace",
    "columns": ["hr", "bp", "rr", "spo2", "temp"],
    "recent": [f"bed{number}" for number in range(420, 432)],
    "theme": "dark",
    "count": 0,
}


LAG = timedelta(seconds=50)  # of the registry, at most


class Contender:
    """One engine; its pages go through the middleware that it is used with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.store: Any = importlib.import_module(ENGINES[name]).SessionStore
        self.is_ours = name == "epicops"
        settings.SESSION_ENGINE = ENGINES[name]
        middleware = ActivitySessionMiddleware if self.is_ours else SessionMiddleware
        self.middleware: Callable[[HttpRequest], Any] = middleware(read_two)
        settings.SESSION_ENGINE = OURS
        self.ids: list[str] = []

    def lookup(self, session_id: str) -> None:
        if not self.store(session_id).load():
            raise SystemExit(f"{self.name} lost a session: the figure would mean nothing")

    def page(self, session_id: str) -> bool:
        """Load a session and refresh it; return whether it was there."""
        settings.SESSION_SAVE_EVERY_REQUEST = not self.is_ours  # how the peers slide an expiry
        request = HttpRequest()
        request.META["HTTP_HOST"], request.method, request.path_info = "localhost", "GET", "/hyperspace/"
        request.COOKIES[settings.SESSION_COOKIE_NAME] = session_id
        request.resolver_match = UNITS
        response = self.middleware(request)
        return bool(response.status_code == 200 and request.session.session_key)

    def save(self, session_id: str) -> None:
        session = self.store(session_id)
        session["count"] += 1
        session.save()

    def fill(self, count: int) -> None:
        """Make so many sessions: one by the engine, the others like what that stored."""
        first = self.store()
        first.update(DATA)
        first.save()
        self.ids = [str(first.session_key), *(uuid.uuid4().hex for _ in range(count - 1))]
        getattr(self, f"_fill_{self.name.replace('-', '_')}")(self.ids[0], self.ids[1:])

    def _fill_epicops(self, first: str, others: list[str]) -> None:
        redis = sessions_command_client()
        fields: Any = redis.hgetall(keys.session(first))
        own = {name: value for name, value in DATA.items() if name not in CLEAR}
        data = {other: self.store(other).encode(own | {SIGNED_FOR: fingerprint(other)}) for other in others}
        for some in chunks(others, 1000):
            pipeline = redis.pipeline(transaction=False)
            for other in some:
                pipeline.hset(keys.session(other), mapping=fields | {b"data": data[other]})
                pipeline.pexpire(keys.session(other), 1_800_000)
            pipeline.execute()
        record = SessionRecord.objects.get(pk=key_hash(first))
        row = {field.name: getattr(record, field.name) for field in SessionRecord._meta.concrete_fields}
        SessionRecord.objects.bulk_create(
            SessionRecord(
                **row
                | {"key_hash": key_hash(each), "handle": handle(each), "sealed_id": seal(each), "data": data[each]}
                | {"last_activity": record.last_activity - LAG * random.random()}
            )
            for each in others
        )

    def _fill_db(self, first: str, others: list[str]) -> None:
        data, until = Session.objects.get(pk=first).session_data, now() + timedelta(minutes=30)
        Session.objects.bulk_create(Session(pk=each, session_data=data, expire_date=until) for each in others)

    def _fill_cache(self, first: str, others: list[str]) -> None:
        cache, prefix = caches["peers"], self.store.cache_key_prefix
        cache.set_many(dict.fromkeys((prefix + each for each in others), cache.get(prefix + first)), 1800)

    def _fill_cached_db(self, first: str, others: list[str]) -> None:
        self._fill_db(first, others)
        self._fill_cache(first, others)

    def _fill_redis_sessions(self, first: str, others: list[str]) -> None:
        redis = sessions_client()
        value, pipeline = redis.get(first), redis.pipeline(transaction=False)
        for each in others:
            pipeline.set(each, value or b"", ex=1800)
        pipeline.execute()


def read_two(request: HttpRequest) -> HttpResponse:
    """Be the view: it reads what it may show, and nothing changes."""
    return HttpResponse(f"{request.session.get('role')} {request.session.get('theme')}")


def contenders(count: int) -> list[Contender]:
    """Return every engine with `count` live sessions."""
    call_command("migrate", "sessions", verbosity=0)
    found = [Contender(name) for name in ENGINES]
    for contender in reversed(found):  # ours last: a minute later each next page has a checkpoint to write
        contender.fill(count)
    return found
