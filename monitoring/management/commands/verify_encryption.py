"""Whether what lies in Redis and in the inbox is sealed, and under which keys."""

import base64
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from epicops import keys
from epicops.crypto import key_id
from epicops.redis_client import queue_client
from interconnect.models import InboxMessage

PAGE = 500  # values per round trip


class Command(BaseCommand):
    help = (
        "Count plain and sealed values in Redis and in PostgreSQL's inbox by key id, as one JSON line. Status 1 when a "
        "value is plain."
    )

    def handle(self, **options: Any) -> None:
        try:
            found = {
                "inbox": Counter(key_id(bytes(row.raw)) for row in InboxMessage.objects.iterator()),
                "queue": Counter(map(key_id, messages(keys.QUEUE))),
                "dlq": Counter(map(key_id, map(body, messages(keys.DLQ)))),
                "vitals": Counter(map(key_id, vitals())),
            }
        except RedisError as error:
            raise CommandError(f"Redis does not answer: {type(error).__name__}") from error
        self.stdout.write(json.dumps(found))
        if any(counter["plain"] for counter in found.values()):
            sys.exit(1)


def messages(key: str) -> Iterator[bytes]:
    """Yield a list's elements; those that come or go meanwhile may be missed or seen twice."""
    start = 0
    client: Any = queue_client()
    while page := client.lrange(key, start, start + PAGE - 1):
        yield from page
        start += PAGE


def body(entry: bytes) -> bytes:
    """Return the message in an entry of the dead-letter list, still sealed."""
    document = json.loads(entry)
    return base64.b64decode(document.get("raw_sealed", "")) or b"plain"


def vitals() -> Iterator[bytes]:
    client = get_redis_connection("default")
    for key in client.scan_iter(keys.vitals("*"), count=PAGE):
        value = client.get(key)
        if value is not None:
            yield value
