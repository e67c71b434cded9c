"""Metrics for Prometheus, read at each scrape from Redis and PostgreSQL.

No process keeps a count of its own, so any of several web processes gives the same answer, workers need no port, and a
restart resets nothing. A part that is away leaves its metrics out; `epicops_up` says so. No label holds patient data.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from django.db.models import Q
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from epicops.redis_client import Redis
from epicops.redis_shards import shards
from interconnect.feed.silence import silent
from interconnect.models import Feed
from interconnect.status import Queue
from monitoring.certificates import days_left
from monitoring.health import ROLES, answer
from monitoring.status import Status, Totals, status
from sessions_app.models import SessionRecord
from sessions_app.trust import trust

FEEDS: Final = 200  # the latest to be heard of: senders choose their names, and each is a time series
NAME: Final = 200  # characters of a label; MSH-3 and MSH-4 may be longer
NOBODY: Final = Q(application="", facility="")  # counts the frames of whoever never delivered a message
EVICTION: Final = {"sessions": "noeviction", "queue": "noeviction", "cache": "allkeys-lru"}


class Spec(NamedTuple):
    """A metric's kind, label and meaning."""

    kind: type[CounterMetricFamily | GaugeMetricFamily]
    label: str
    meaning: str


GAUGE, COUNTER = GaugeMetricFamily, CounterMetricFamily
METRICS: Final = {  # docs/monitoring.md has each of them; a test compares
    "epicops_up": Spec(GAUGE, "part", "1 when the server, or a process of that kind, answers"),
    "epicops_program_last_seen_seconds": Spec(GAUGE, "program", "Age of a worker's or listener's last sign of life"),
    "epicops_queue_depth": Spec(
        GAUGE, "queue", "Messages in PostgreSQL's inbox, in interconnect:queue, in flight, and on interconnect:dlq"
    ),
    "epicops_queue_oldest_age_seconds": Spec(GAUGE, "", "Age, by MSH-7, of the message that waits longest; 0 if none"),
    "epicops_dead_letters_open": Spec(GAUGE, "", "Dead letters that wait for a person"),
    "epicops_messages_total": Spec(COUNTER, "status", "Messages delivered, by what became of them"),
    "epicops_feed_messages_total": Spec(COUNTER, "feed", "Messages of a sender (MSH-3 @ MSH-4), replays not counted"),
    "epicops_feed_duplicates_total": Spec(COUNTER, "feed", "Those of them that it had sent before"),
    "epicops_feed_refused_total": Spec(COUNTER, "feed", "Frames that named this sender and were refused"),
    "epicops_feed_last_message_age_seconds": Spec(GAUGE, "feed", "Time since its last message"),
    "epicops_feed_silent": Spec(GAUGE, "feed", "1 when messages should have come, by the same hours of earlier weeks"),
    "epicops_feed_missing_numbers": Spec(GAUGE, "feed", "Numbers it left out in the last 30 days"),
    "epicops_sessions_fallback": Spec(GAUGE, "", "1 while PostgreSQL serves the sessions, because Redis is away"),
    "epicops_sessions_live": Spec(GAUGE, "portal", "Sessions that have not ended, by the registry"),
    "epicops_sessions_next_end_seconds": Spec(
        GAUGE, "portal", "Time until the first of them ends unless somebody uses it; up to a minute early"
    ),
    "epicops_redis_memory_used_bytes": Spec(GAUGE, "role", "used_memory"),
    "epicops_redis_memory_max_bytes": Spec(GAUGE, "role", "maxmemory; left out where there is no limit"),
    "epicops_redis_memory_ratio": Spec(GAUGE, "role", "used_memory / maxmemory; left out where there is no limit"),
    "epicops_redis_connected_clients": Spec(GAUGE, "role", "connected_clients"),
    "epicops_redis_policy_ok": Spec(GAUGE, "role", "1 when maxmemory_policy is the one this role needs"),
    "epicops_redis_evicted_keys_total": Spec(COUNTER, "role", "evicted_keys"),
    "epicops_redis_keyspace_hits_total": Spec(COUNTER, "role", "keyspace_hits"),
    "epicops_redis_keyspace_misses_total": Spec(COUNTER, "role", "keyspace_misses"),
    "epicops_redis_rejected_connections_total": Spec(COUNTER, "role", "rejected_connections"),
    "epicops_certificate_days_left": Spec(
        GAUGE, "certificate", "Days until it ends: what Redis servers show, the CAs, and our own"
    ),
}
Value = tuple[str, str, float]  # metric, label's value, value


class StateCollector(Collector):
    """Asks everything at each scrape."""

    def collect(self) -> Iterable[Metric]:
        families = {
            name: spec.kind(name, spec.meaning, labels=[spec.label] if spec.label else [])
            for name, spec in METRICS.items()
        }
        for name, label, value in values():
            families[name].add_metric([label] if label else [], value)
        return families.values()


def exposition() -> bytes:
    """Return all metrics as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StateCollector())
    return generate_latest(registry)


def values() -> Iterator[Value]:
    now = status()
    for part, is_up in now.parts.items():
        if is_up is not None:  # or each outage of the queue's server would be one of worker and listener, too
            yield "epicops_up", part.lower().replace(" ", "_"), float(is_up)
    for program in now.programs or ():
        yield "epicops_program_last_seen_seconds", f"{program.kind} {program.name}", program.age
    yield "epicops_sessions_fallback", "", float(not trust.is_redis())
    if now.queue:
        yield from of_queue(now.queue, now)
    if now.totals:
        yield from of_totals(now.totals)
        yield from of_feeds(now.at)
        yield from of_sessions()
    for role, client in ROLES.items():
        if infos := answer(partial(info_of, client)):
            yield from of_servers(role, infos)
    for certificate, days in days_left():
        yield "epicops_certificate_days_left", certificate, days


def of_queue(queue: Queue, now: Status) -> Iterator[Value]:
    for name in ("waiting", "inflight", "dlq"):
        yield "epicops_queue_depth", name, getattr(queue, name)
    if queue.oldest_sent_at:
        yield "epicops_queue_oldest_age_seconds", "", max((now.at - queue.oldest_sent_at).total_seconds(), 0)
    elif not queue.waiting:
        yield "epicops_queue_oldest_age_seconds", "", 0.0


def of_totals(totals: Totals) -> Iterator[Value]:
    yield "epicops_queue_depth", "inbox", totals.inbox
    yield "epicops_dead_letters_open", "", totals.open_dead_letters
    for name in ("applied", "skipped", "dead"):
        yield "epicops_messages_total", name, getattr(totals, name)


def of_feeds(at: datetime) -> Iterator[Value]:
    known = Feed.objects.select_related("sequence").prefetch_related("dismissals").alias(is_nobody=NOBODY)
    feeds = list(known.order_by("-is_nobody", "-last_seen_at")[:FEEDS])
    quiet = silent(feeds, at)
    if str(Feed()) not in map(str, feeds):
        yield "epicops_feed_refused_total", str(Feed()), 0  # or growth could not be told of the first one
    for feed in feeds:
        name = str(feed) if len(str(feed)) <= NAME else f"feed {feed.pk}"
        yield "epicops_feed_messages_total", name, feed.messages
        yield "epicops_feed_duplicates_total", name, feed.duplicates
        yield "epicops_feed_refused_total", name, feed.refused
        yield "epicops_feed_last_message_age_seconds", name, (at - feed.last_seen_at).total_seconds()
        yield "epicops_feed_silent", name, float(feed.pk in quiet)
        yield "epicops_feed_missing_numbers", name, sum(gap.size for gap in feed.gaps())


def of_sessions() -> Iterator[Value]:
    for portal, number, seconds in SessionRecord.objects.by_portal():
        yield "epicops_sessions_live", portal or "none", number
        yield "epicops_sessions_next_end_seconds", portal or "none", seconds


def info_of(client: Callable[[], Redis]) -> list[dict[str, Any]]:
    """Return INFO of the role's server, of a Cluster's primaries each; raises RedisError."""
    return [server.info() for server in shards(client())]


def of_servers(role: str, infos: Sequence[dict[str, Any]]) -> Iterator[Value]:
    """Yield what INFO says of the role's server, of a Cluster's primaries together."""
    used, limit = (sum(info[name] for info in infos) for name in ("used_memory", "maxmemory"))
    yield "epicops_redis_memory_used_bytes", role, used
    if limit:
        yield "epicops_redis_memory_max_bytes", role, limit
        yield "epicops_redis_memory_ratio", role, used / limit
    yield "epicops_redis_policy_ok", role, float(all(info["maxmemory_policy"] == EVICTION[role] for info in infos))
    yield "epicops_redis_connected_clients", role, sum(info["connected_clients"] for info in infos)
    for name in ("evicted_keys", "keyspace_hits", "keyspace_misses", "rejected_connections"):
        yield f"epicops_redis_{name}_total", role, sum(info[name] for info in infos)
