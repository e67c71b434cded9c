"""Messages that no worker has applied yet, for people who look for one."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from epicops import keys
from epicops.redis_client import Redis, queue_web_client
from interconnect.consumer.lanes import current
from interconnect.consumer.queue import look, opened
from interconnect.wire.inbox import InboxMessage

SLICE: Final = 50
AT_ONCE: Final = 5  # of the inbox; each may have 10 MiB
MAX_MESSAGES: Final = 2000  # that a page looks at; a longer queue is a matter of minutes all the same
MAX_BYTES: Final = 16 * 1024 * 1024


class Waiting(NamedTuple):
    """A message on its way; `ahead` is how many are taken before it, with lanes at most."""

    place: str
    ahead: int
    raw: bytes


def waiting() -> Iterator[Waiting]:
    """Yield the next messages of the queue in the worker's order, then the inbox's. RedisError when Redis is away.

    One that the worker takes meanwhile may be passed over: by then it is applied.
    """
    seen = size = 0
    for place, raw in _in_order():
        if size > MAX_BYTES or seen >= MAX_MESSAGES:
            return
        yield Waiting(place, seen, raw)
        seen, size = seen + 1, size + len(raw)


def _in_order() -> Iterator[tuple[str, bytes]]:
    client = queue_web_client()
    number = current(client)
    for lane in range(number + 1 if number > 1 else 1):
        inflight: list[Any] = client.lrange(keys.inflight(lane), 1, -1)  # 0 is the batch id
        yield from (("in flight", opened(raw)) for raw in reversed(inflight))
        if lane:
            yield from ((f"in lane {lane}", raw) for raw in _listed(client, keys.lane(lane)))
    yield from (("on the queue", raw) for raw in _listed(client, keys.QUEUE))
    for row in InboxMessage.objects.order_by("pk")[:MAX_MESSAGES].iterator(AT_ONCE):
        yield "in the inbox", opened(bytes(row.raw))


def _listed(client: Redis, messages: str) -> Iterator[bytes]:
    """Yield what is on this list, oldest first, without bringing much of it here at once."""
    seen = 0
    while seen < MAX_MESSAGES and (some := look(client, messages, seen, SLICE)):
        yield from some
        seen += len(some)
