"""What the operations page shows below its strip: failures, feeds, cache, sessions, and what people did.

A fixed number of queries, whatever is in the tables; None stands for a part that did not answer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from django.db.models import Count, QuerySet
from django.utils import timezone

from audit.models import AuditEvent
from interconnect.models import DeadLetter, FailureGroup
from monitoring.health import ROLES, answer
from monitoring.history import cache_requests
from monitoring.metrics import info_of
from monitoring.models import Alert, Sample
from monitoring.session_ttls import BUCKETS, Shape, Ttls, shapes, total
from monitoring.status import status
from sessions_app.models import SessionRecord
from sessions_app.trust import trust
from vitals.counts import Result, subject_of

FAILURES: Final = 5
ACTIONS: Final = 10
ALERTS: Final = 20
HOUR: Final = timedelta(hours=1)
ACTIVE: Final = timedelta(minutes=31)  # the longest idle limit, and the minute by which the registry may be behind
ROUTINE: Final = ("session.login", "session.logout", "session.unlock", "session.unlock_failed")


class Failure(NamedTuple):
    group: FailureGroup
    letters: int


class Reads(NamedTuple):
    """How a layer of the cache answered within an hour; `ratio` in percent."""

    family: str
    layer: str
    requests: int
    ratio: float


class Server(NamedTuple):
    """A Redis role: bytes used and allowed (0: no limit), keys evicted within the hour."""

    role: str
    used: int
    limit: int
    evicted: int

    @property
    def percent(self) -> float:
        return 100 * self.used / self.limit if self.limit else 0


class Live(NamedTuple):
    portal: str
    role: str
    number: int


class Sessions(NamedTuple):
    """Live sessions by portal and role, as the registry knows them; their TTLs, as the last sample saw them."""

    by_role: list[Live]
    store: str
    at: datetime | None
    ttls: Ttls | None
    shapes: list[Shape]

    @property
    def total(self) -> int:
        return sum(live.number for live in self.by_role)

    @property
    def in_redis(self) -> int:
        return total(self.ttls) if self.ttls else 0

    @property
    def bars(self) -> list[tuple[str, int, float, float]]:
        """Return each bucket's minutes, number, and place and height of its bar in a square of 100."""
        numbers = self.ttls["buckets"] if self.ttls else []
        top, width = max([*numbers, 1]), 30 // BUCKETS
        return [
            (f"{place * width} to {(place + 1) * width} min", number, place * 100 / BUCKETS, 100 * number / top)
            for place, number in enumerate(numbers)
        ]


class Panels(NamedTuple):
    failures: list[Failure] | None
    silent_feeds: int | None
    reads: list[Reads] | None
    servers: list[Server]
    sessions: Sessions | None
    actions: list[AuditEvent] | None


def strip() -> dict[str, Any]:
    """Return what the status strip shows."""
    raised = answer(lambda: list(Alert.objects.unresolved().select_related("rule", "acknowledged_by")[:ALERTS]))
    return {"status": status(), "alerts": raised}


def read_panels() -> Panels:
    """Return how things are now; never raises for a server that is away."""
    now = timezone.now()
    samples = answer(lambda: list(Sample.objects.filter(at__gte=now - HOUR).order_by("at"))) or []
    before = samples[0] if samples else Sample()
    totals = answer(cache_requests)
    return Panels(
        failures=answer(failures),
        silent_feeds=samples[-1].silent_feeds if samples else None,
        reads=None if totals is None else reads(totals, before.cache_requests or {}),
        servers=servers(before.evicted or {}),
        sessions=answer(lambda: sessions(now, samples)),
        actions=answer(lambda: list(actions())),
    )


def failures() -> list[Failure]:
    """Return the failures with the most open dead letters."""
    open_letters = DeadLetter.objects.open().filter(group__isnull=False).order_by().values_list("group")
    most = list(open_letters.annotate(number=Count("pk")).order_by("-number", "-group")[:FAILURES])
    groups = FailureGroup.objects.select_related("owner").in_bulk([pk for pk, _ in most])
    return [Failure(groups[pk], number) for pk, number in most]


def reads(totals: Mapping[str, int], before: Mapping[str, int]) -> list[Reads]:
    """Return what was read since `before`; counters that are lower now began anew in between."""
    asked: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for name, number in totals.items():
        family, layer, result = subject_of(name)
        since = number - before.get(name, 0) if number >= before.get(name, 0) else number
        if result is not Result.REFUSED:  # a write
            asked[family, layer] += since
            found[family, layer] += since if result in (Result.HIT, Result.NEGATIVE, Result.WAITED) else 0
    return [Reads(*key, number, 100 * found[key] / number) for key, number in sorted(asked.items()) if number]


def servers(evicted: Mapping[str, int]) -> list[Server]:
    """Return the roles that answer."""
    answers = {role: answer(partial(info_of, client)) for role, client in ROLES.items()}
    return [server(role, infos, evicted.get(role)) for role, infos in answers.items() if infos]


def server(role: str, infos: Sequence[dict[str, Any]], evicted: int | None) -> Server:
    """Add up INFO of the role's server, or of a Cluster's primaries; `evicted` is how many there were an hour ago."""
    used, limit, now = (sum(info[name] for info in infos) for name in ("used_memory", "maxmemory", "evicted_keys"))
    return Server(role, used, limit, max(now - (now if evicted is None else evicted), 0))


def sessions(now: datetime, samples: Sequence[Sample]) -> Sessions:
    live = SessionRecord.objects.filter(ended_at=None, last_activity__gt=now - ACTIVE, deadline__gt=now)
    by_role = live.order_by("portal", "role").values_list("portal", "role").annotate(number=Count("pk"))
    last = samples[-1] if samples else Sample()
    store = "Redis" if trust.is_redis() else "PostgreSQL, because Redis is away"
    return Sessions([Live(*row) for row in by_role], store, last.at, last.session_ttls, shapes(samples))


def actions() -> QuerySet[AuditEvent]:
    """Return what people did last, but for looking at pages, coming and going."""
    did = AuditEvent.objects.filter(actor_id__isnull=False).exclude(action=AuditEvent.Action.READ)
    return did.exclude(code__in=ROUTINE)[:ACTIONS]
