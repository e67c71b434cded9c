"""What django-redis 7 does that a ward must not see. The other two, integers and poison, are in test_cache.py."""

import pytest
from django.conf import settings
from django.core.cache import cache
from django_redis import get_redis_connection

from tests.processes import PROJECT

KEY = "patient:bed427:vitals"


def test_a_retried_write_keeps_its_sixty_seconds() -> None:
    # set() multiplies the timeout by 1000 inside its retry loop: with REPLICA_READ_ONLY off a retry lives 16.7 hours.
    assert "REPLICA_READ_ONLY" not in str(settings.CACHES)
    get_redis_connection("default").client_kill_filter(_type="normal", skipme=False)

    cache.set(KEY, {"hr": 78}, 60)

    assert 0 < get_redis_connection("default").pttl(KEY) <= 60_000


def test_keys_are_listed_by_their_whole_names() -> None:
    cache.set(KEY, {"hr": 78}, 60)

    assert cache.keys("patient:*") == [KEY]  # type: ignore[attr-defined]  # django-redis


@pytest.mark.parametrize("call", ["incr_version", "decr_version", "delete_pattern"])
def test_nothing_calls_what_deletes_unversioned_keys(call: str) -> None:
    sources = [path for app in ("epicops", "vitals", "monitoring") for path in (PROJECT / app).rglob("*.py")]

    assert not [path.name for path in sources if f".{call}(" in path.read_text()]
