"""Preflight tells a deployment that keeps its promises from one that does not."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django_redis import get_redis_connection

from epicops.embedded.stack import Stack
from epicops.environment import database
from epicops.redis_client import queue_client
from monitoring.health import _is_migrated
from monitoring.preflight import is_private, is_verified, preflight

pytestmark = pytest.mark.django_db


def broken() -> list[str]:
    return [finding.condition for finding in preflight() if not finding.is_kept]


def test_the_embedded_stack_keeps_all_but_what_one_host_cannot() -> None:
    findings = {finding.condition: finding.is_kept for finding in preflight()}

    assert findings["Redis queue appendfsync is always"]
    assert findings["Redis cache evicts by allkeys-lru"]
    assert findings["all migrations are applied"]
    assert "Redis queue has 0 replicas" in broken()
    assert {"EPICOPS_AUDIT_KEY is set", "EPICOPS_PLAIN_HTTP is off"} <= set(broken())


def test_a_database_without_tables_has_to_be_migrated_and_is_not_away() -> None:
    _is_migrated.cache_clear()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE django_migrations, audit_events_other")

    found = broken()

    assert "all migrations are applied" in found
    assert "PostgreSQL answers" not in found


def test_a_cache_without_a_limit_is_named() -> None:
    cache = get_redis_connection("default")
    (limit,) = cache.config_get("maxmemory").values()
    cache.config_set("maxmemory", 0)
    try:
        assert "Redis cache may take 0 MB" in broken()
    finally:
        cache.config_set("maxmemory", limit)


@pytest.mark.parametrize(
    ("setting", "value", "right"),
    [("appendfsync", "everysec", "always"), ("no-appendfsync-on-rewrite", "yes", "no")],
)
def test_a_queue_that_may_lose_messages_is_named(setting: str, value: str, right: str) -> None:
    queue_client().config_set(setting, value)
    try:
        assert f"Redis queue {setting} is {value}" in broken()
    finally:
        queue_client().config_set(setting, right)


def test_an_evicting_queue_is_named() -> None:
    queue_client().config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "Redis queue evicts by allkeys-lru" in broken()
    finally:
        queue_client().config_set("maxmemory-policy", "noeviction")


def test_settings_that_this_user_may_not_read_are_not_taken_for_kept() -> None:
    queue_client().acl_setuser("default", enabled=True, commands=["-config|get"])
    try:
        assert "Redis queue shows its settings to this user" in broken()
    finally:
        queue_client().acl_setuser("default", enabled=True, commands=["+config|get"])


@pytest.mark.slow
def test_a_server_that_is_away_is_a_finding_not_a_failure(stack: Stack) -> None:
    stack.queue.kill()

    assert "Redis queue answers" in broken()


def test_strict_fails_where_a_promise_is_not_kept() -> None:
    out = StringIO()
    call_command("preflight", as_json=True, stdout=out)

    answer = json.loads(out.getvalue())
    assert answer["kept"] is False
    assert {"promise", "condition", "is_kept", "why"} == set(answer["findings"][0])
    with pytest.raises(CommandError, match="conditions are not met"):
        call_command("preflight", strict=True, stdout=StringIO())


@pytest.mark.parametrize(
    ("url", "is_kept"),
    [
        ("postgresql://epicops@db.example/epicops?sslmode=verify-full", True),
        ("postgresql://epicops@db.example/epicops?sslmode=require", False),
        ("postgresql://epicops@db.example/epicops", False),
        ("postgresql://epicops@/epicops?host=/run/postgresql", True),
        ("host=/run/postgresql,standby.example dbname=epicops", False),
    ],
)
def test_a_database_that_others_may_pose_as_is_named(
    url: str, *, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICOPS_TRIED_URL", url)

    assert is_verified(database("TRIED_URL")) == is_kept


@pytest.mark.parametrize(
    ("url", "is_kept"),
    [
        ("unix:///run/queue.sock", True),
        ("redis://queue.example", False),
        ("rediss+sentinel://u:p@a,b,c/queue?ssl_ca_certs=ca.crt", True),
        ("redis+sentinel://u:p@a,b,c/queue", False),
    ],
)
def test_tls_is_seen_through_sentinels(url: str, *, is_kept: bool) -> None:
    assert is_private(url) == is_kept
