"""How long the sessions in Redis still have, and the four shapes by which a timeout that does not work shows itself.

Redis knows an average TTL at most. The distribution tells more: with a sliding timeout that works most sessions have
most of their time left, and fewer and fewer have less, because people leave.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple, TypedDict

from django.conf import settings
from django.db.models import Count

from epicops import keys
from epicops.redis_client import Redis
from monitoring.models import Sample
from sessions_app.models import SessionRecord

BUCKETS: Final = 10  # of equal length, from 0 to the policy's idle limit
SLACK: Final = 2_000  # ms; clocks and round trips
PAGE: Final = 1_000  # sessions asked about together
FEW: Final = 20  # sessions; fewer have no shape
LOST_WITHIN: Final = timedelta(minutes=2)
ABSENT, ETERNAL = -2, -1  # PTTL's answers for a key that has gone and for one without a TTL


class Ttls(TypedDict):
    """Sessions by the time they have left, the shortest first; those that no shape excuses are counted apart."""

    buckets: list[int]
    without_ttl: int
    over_policy: int


class Shape(NamedTuple):
    """A fault as it shows in the distribution."""

    name: str
    looks: str
    means: str
    is_seen: bool


def read_ttls(client: Redis) -> Ttls:
    """Ask for the TTL of every session, a thousand at a time; raises RedisError."""
    found = Ttls(buckets=[0] * BUCKETS, without_ttl=0, over_policy=0)
    policy = settings.SESSION_COOKIE_AGE * 1000
    for left in remaining(client):
        if left == ETERNAL:
            found["without_ttl"] += 1
        elif left > policy + SLACK:
            found["over_policy"] += 1
        elif left != ABSENT:
            found["buckets"][min(left * BUCKETS // policy, BUCKETS - 1)] += 1
    return found


def remaining(client: Redis) -> Iterator[int]:
    """Yield PTTL of every session's hash, in ms."""
    found = client.scan_iter(match=keys.session("*"), count=PAGE)
    while names := list(islice(found, PAGE)):
        with client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.pttl(name)
            yield from pipe.execute()


def ended_since(moment: datetime) -> dict[str, int]:
    """Count the sessions that ended after a moment, by reason; needs PostgreSQL."""
    ended = SessionRecord.objects.filter(ended_at__gte=moment).order_by().values_list("end_reason")
    return dict(ended.annotate(number=Count("pk")))


def total(ttls: Ttls) -> int:
    return sum(ttls["buckets"]) + ttls["without_ttl"] + ttls["over_policy"]


def shapes(samples: Sequence[Sample]) -> list[Shape]:
    """Judge the last of an hour's samples, the oldest first; none is seen where there are too few sessions."""
    known: list[tuple[Sample, Ttls]] = [(sample, sample.session_ttls) for sample in samples if sample.session_ttls]
    ttls = known[-1][1] if known else Ttls(buckets=[0] * BUCKETS, without_ttl=0, over_policy=0)
    ended: Counter[str] = sum((Counter(sample.sessions_ended or {}) for sample in samples), Counter())
    number, third = sum(ttls["buckets"]), BUCKETS // 3
    lowest, highest = sum(ttls["buckets"][:third]), sum(ttls["buckets"][-third:])
    is_extended = number >= FEW and ttls["buckets"][-1] >= 0.95 * number and not ended["idle"]
    is_untouched = number >= FEW and lowest > 2 * highest and ended["idle"] > number / BUCKETS
    return [
        Shape("All at the right", "everybody in the last bar, nobody idle", "a poll extends sessions", is_extended),
        Shape("Pile at the left", "most in the first bars, many idle", "activity extends no session", is_untouched),
        Shape(
            "Beyond the limit",
            "no TTL, or more than the policy allows",
            "somebody wrote a session without its limits",
            bool(ttls["without_ttl"] or ttls["over_policy"]),
        ),
        Shape("Sudden drop", "a third gone in two minutes", "keys were evicted or flushed", is_drop(known)),
    ]


def is_drop(known: Sequence[tuple[Sample, Ttls]]) -> bool:
    """Whether sessions went in the last two minutes that nobody ended."""
    if not known:
        return False
    last = known[-1][0].at
    recent = [(sample, ttls) for sample, ttls in known if last - sample.at <= LOST_WITHIN]
    before, now = total(recent[0][1]), total(recent[-1][1])
    explained = sum(sum((sample.sessions_ended or {}).values()) for sample, _ in recent[1:])
    return before >= FEW and before - now > 0.3 * before and explained < (before - now) / 2
