"""Wrong values of the environment stop every command with a line that names the variable and no secret."""

import os
import subprocess
import sys

import pytest
from redis.exceptions import RedisError

from epicops.away import away
from epicops.redis_client import connect
from tests.processes import PROJECT


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("EPICOPS_REDIS_QUEUE_URL", "http://:hunter2@127.0.0.1", "a Redis URL begins with"),
        ("EPICOPS_REDIS_QUEUE_URL", "redis://:hunter2#x@127.0.0.1", "write / as %2F"),
        ("EPICOPS_REDIS_CACHE_URL", "redis+cluster://127.0.0.1:hunter2", "a port or option"),
        ("EPICOPS_SMTP_URL", "smtp://mail:hunter2#x@127.0.0.1", "has to be smtp://"),
        ("EPICOPS_SEALING_KEYS_FILE", os.devnull, "missing or empty"),
        ("EPICOPS_DATABASE_URL", "mysql://epicops:hunter2@127.0.0.1/x", "write postgresql://"),
        ("EPICOPS_SHIFTS", "hunter2", "write times of day as"),
        ("EPICOPS_SESSION_LOCK", "soon", "invalid"),
        ("EPICOPS_SESSION_LIMIT_MYCHART", "0", "greater than or equal to 1"),
        ("EPICOPS_QUEUE_REPLICAS", "-1", "greater than or equal to 0"),
        ("EPICOPS_SEALING_KEYS", "hunter2", "the key ring is not"),
        ("EPICOPS_ALERT_WEBHOOK", "hooks.example/hunter2", "write https://"),
        ("EPICOPS_TRUSTED_PROXIES", "10.0.0.1/8", "write networks as"),
        ("EPICOPS_TIME_ZONE", "hunter2", "write a time zone as"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_variable(name: str, value: str, why: str) -> None:
    command = [sys.executable, str(PROJECT / "manage.py"), "preflight"]

    ended = subprocess.run(command, env=os.environ | {name: value}, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert name in ended.stderr
    assert why in ended.stderr
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("command", ["table_counts", "sweep_sessions --once"])
def test_a_command_without_its_stores_says_so_in_one_line(command: str) -> None:
    away = {"EPICOPS_DATABASE_URL": "postgresql://:hunter2@127.0.0.1:1/x", "EPICOPS_LOG_LEVEL": "CRITICAL"}
    away["EPICOPS_REDIS_SESSIONS_URL"] = "redis://127.0.0.1:1"
    run = [sys.executable, str(PROJECT / "manage.py"), *command.split()]

    ended = subprocess.run(run, env=os.environ | away, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "PostgreSQL" in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_command_that_may_not_write_a_file_says_so_in_one_line() -> None:
    run = [sys.executable, str(PROJECT / "manage.py"), "edit_key_ring", "/proc/ring", "--add", "k001"]

    ended = subprocess.run(run, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith("manage.py: ")
    assert ended.stderr.count("\n") == 1


def test_a_server_that_cannot_be_reached_is_named_with_its_address() -> None:
    with pytest.raises(RedisError) as refused:
        connect("redis://:hunter2@127.0.0.1:1", timeout=1).ping()

    assert "Redis is away: " in (told := away(refused.value))
    assert "127.0.0.1:1" in told
    assert "hunter2" not in told
