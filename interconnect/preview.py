"""What messages would do if they were delivered now, for people who are about to replay them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from interconnect.consumer.delivery import Delivery, Status, unexpected
from vitals.codes import local_codes
from vitals.preview import Preview, previews

NOTHING = Preview((), ())


class Forecast(NamedTuple):
    """What would become of one message: applied, skipped or dead as `delivery` says, and the rows it would change."""

    delivery: Delivery
    effect: Preview

    @property
    def outcome(self) -> str:
        """The one word of a total."""
        if self.delivery.error:
            return "fail again"
        if self.delivery.status == Status.SKIPPED:
            return "be skipped"
        return "change something" if self.effect.changes else "change nothing"


class Totals(NamedTuple):
    """Forecasts added up: messages by outcome, rows by what they are, and by its text what fails again."""

    messages: int
    outcomes: dict[str, int]
    rows: dict[str, int]
    problems: dict[str, int]


def forecast(raws: Sequence[bytes]) -> list[Forecast]:
    """Return what becomes of these messages, delivered now and in this order. Changes nothing."""
    codes = local_codes()
    deliveries = [Delivery(ordinal, raw).interpret(local_codes=codes) for ordinal, raw in enumerate(raws)]
    with_events = [delivery for delivery in deliveries if delivery.events]
    effects = dict.fromkeys(range(len(raws)), NOTHING)
    for delivery, effect in zip(with_events, previews([each.events for each in with_events]), strict=True):
        if isinstance(effect, Preview):
            effects[delivery.ordinal] = effect
        else:
            delivery.die(unexpected(effect, delivery.ordinal))
    return [Forecast(delivery, effects[delivery.ordinal]) for delivery in deliveries]


def add_up(forecasts: Sequence[Forecast]) -> Totals:
    """Return the totals of what several messages would do."""
    return Totals(
        messages=len(forecasts),
        outcomes=_counted(each.outcome for each in forecasts),
        rows=_counted(change.what for each in forecasts for change in each.effect.changes),
        problems=_counted(each.delivery.error.text for each in forecasts if each.delivery.error),
    )


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())
