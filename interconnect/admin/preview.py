"""What a replay would do, shown where it is confirmed."""

from itertools import accumulate
from typing import Any

from django.db.models.functions import Length
from django.http import HttpRequest

from interconnect.admin.reading import record_reading
from interconnect.dlq.dead_letters import as_last_edited
from interconnect.dlq.lateness import overtaken
from interconnect.dlq.repair import attempt
from interconnect.models import DeadLetter, DeadLetterQuerySet, Repair
from interconnect.preview import add_up, forecast

SAMPLE = 25  # messages; each costs up to ten milliseconds, and somebody waits for the page
LATE = 20  # messages of which it is said whether newer ones were applied
NEWER_SHOWN = 5
SAMPLE_BYTES = 4 * 1024 * 1024


def outlook(request: HttpRequest, letters: DeadLetterQuerySet, repair: Repair | None = None) -> dict[str, Any]:
    """Return the rows that replaying one letter, repaired, would change; of several the totals of the first SAMPLE.

    `late` has for the first LATE what came after them and was applied. The rows name patients: they are for those who
    may read messages, and looking at them is audited.
    """
    chosen = sample(letters)
    bodies = as_last_edited(chosen)
    forecasts = forecast([attempt(repair, raw) for raw in bodies])
    late = [overtaken(letter.message, raw, NEWER_SHOWN) for letter, raw in zip(chosen[:LATE], bodies, strict=False)]
    found = {"late": late, "late_number": sum(bool(each.number) for each in late)}
    is_one = len(chosen) == 1 and letters.open().count() == 1
    if not (is_one and request.user.has_perm("interconnect.view_inboundmessage")):
        return {**found, "totals": add_up(forecasts)}
    message = chosen[0].message
    record_reading(request, "message.preview", message.pk, message.patient_id)
    return {**found, "forecast": forecasts[0]}


def sample(letters: DeadLetterQuerySet) -> list[DeadLetter]:
    """Return the first open ones of these letters, with their messages; no more than a page can wait for."""
    letters = letters.open().order_by("message_id")
    sizes = letters.annotate(size=Length("message__raw")).values_list("pk", "size")[:SAMPLE]
    reached = accumulate(size for _, size in sizes)
    chosen = [pk for (pk, _), total in zip(sizes, reached, strict=True) if total <= SAMPLE_BYTES]
    return list(letters.filter(pk__in=chosen).select_related("message"))
