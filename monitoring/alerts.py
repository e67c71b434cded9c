"""Alerts for sites without Prometheus: rules over the same metrics, one alert per incident, told at its ends.

The monitor looks every few seconds. A condition that holds for as long as its rule says raises an alert; one that has
not held for five minutes ends it, so that what flaps is one incident with two messages. A metric that is missing
neither raises nor ends anything: the rule on `epicops_up` tells of what hides it.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Q

from monitoring.metrics import Value
from monitoring.models import Alert, AlertRule

SETTLED: Final = timedelta(minutes=5)
LOOKING: Final = 0x414C_4552_54  # "ALERT"; of two monitors one looks,
TELLING: Final = LOOKING + 1  # and one tells

Series = tuple[str, str]  # metric, label's value


class Reading(NamedTuple):
    at: datetime
    value: float


class Memory:
    """What totals were, for as long as the longest window of a rule: growth cannot be seen at one look."""

    def __init__(self) -> None:
        self._readings: dict[Series, deque[Reading]] = defaultdict(deque)

    def add(self, values: Iterable[Value], at: datetime, kept: timedelta) -> None:
        for metric, label, value in values:
            readings = self._readings[metric, label]
            readings.append(Reading(at, value))
            while readings[0].at < at - kept:
                readings.popleft()
        for series in [series for series, readings in self._readings.items() if readings[-1].at < at - kept]:
            del self._readings[series]  # a sender that is not among the latest any more, a rule that was switched off

    def growth(self, series: Series, at: datetime, window: timedelta) -> float:
        """Return how much a total grew within the window, or since the first look; after a restart it began at 0."""
        readings = [reading.value for reading in self._readings[series] if reading.at >= at - window]
        return sum(later - earlier if later >= earlier else later for earlier, later in pairwise(readings))


def look(values: Iterable[Value], memory: Memory, at: datetime) -> None:
    """Raise and end alerts by these values. Needs PostgreSQL."""
    values = list(values)
    rules = list(AlertRule.objects.filter(is_active=True))
    totals = {rule.metric for rule in rules if rule.window}
    longest = timedelta(seconds=max((rule.window for rule in rules), default=0))
    memory.add((value for value in values if value[0] in totals), at, longest)
    with transaction.atomic():
        if not is_ours(LOOKING):
            return
        known = {(alert.rule_id, alert.label): alert for alert in Alert.objects.filter(ended_at=None)}
        for rule in rules:
            for label, value in matching(rule, values, memory, at):
                judge(rule, label, value, known.pop((rule.pk, label), None), at)
        # Rules that were switched off watch nothing any more.
        Alert.objects.filter(ended_at=None, rule__is_active=False).update(ended_at=at)


def is_ours(lock: int) -> bool:
    """Take the lock until the transaction ends; False while another monitor has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [lock])
        return bool(cursor.fetchone()[0])


def matching(rule: AlertRule, values: Iterable[Value], memory: Memory, at: datetime) -> Iterator[tuple[str, float]]:
    """Yield label and value of what a rule is about."""
    for metric, label, value in values:
        if metric == rule.metric and rule.label in ("", label):
            yield label, memory.growth((metric, label), at, timedelta(seconds=rule.window)) if rule.window else value


def judge(rule: AlertRule, label: str, value: float, alert: Alert | None, at: datetime) -> None:
    """Begin, raise, keep or end the alert of a rule and a label."""
    if rule.is_met(value):
        alert = alert or Alert(rule=rule, label=label, began_at=at)
        alert.value, alert.last_met_at = value, at
        if alert.raised_at is None and at - alert.began_at >= timedelta(seconds=rule.hold):
            alert.raised_at = at
        alert.save()
    elif alert and alert.raised_at is None:
        alert.delete()  # it did not last
    elif alert and at - alert.last_met_at >= SETTLED:
        alert.ended_at = alert.last_met_at
        alert.save(update_fields=["ended_at"])


def untold() -> list[Alert]:
    """Return the alerts of which people have still to hear that they began or that they ended."""
    begun = Q(is_beginning_told=False) & Q(raised_at__isnull=False)
    ended = Q(is_beginning_told=True, is_end_told=False) & Q(ended_at__isnull=False)
    return list(Alert.objects.filter(begun | ended).select_related("rule").order_by("pk"))


def mark_told(alerts: Sequence[Alert]) -> None:
    """Note that people heard of these as they are here: one may have ended since."""
    for alert in alerts:
        alert.is_beginning_told, alert.is_end_told = True, alert.ended_at is not None
    Alert.objects.bulk_update(alerts, ["is_beginning_told", "is_end_told"])
