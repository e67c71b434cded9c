"""Reading the numbers of messages that were delivered, apart from the worker, which has no time for it."""

import re
import time
from collections import defaultdict
from typing import Final

from django.db import connection, transaction
from django.db.models import Max

from interconnect.feed.sequences import FeedSequence

LOCK: Final = 0x53_51  # "SQ": one process at a time
ROWS: Final = 20_000  # at once
TURNS: Final = 10  # before the monitor looks at something else
SETTLED: Final = 30  # seconds after which no transaction that was given an earlier id is still open
COUNTED: Final = re.compile(r"(.{0,199}?)([0-9]{1,18})")  # what is longer counts nothing, and fits no series

# MSH-13 is the 13th part of the first line, parted by its 4th character. encode() leaves ASCII as it is.
READ: Final = r"""
SELECT m.id, f.id, m.control_id, split_part(split_part(head, E'\r', 1), substr(head, 4, 1), 13),
       m.applied_at < now() - make_interval(secs => %s)
FROM interconnect_inboundmessage m
JOIN interconnect_feed f ON f.application = m.sending_application AND f.facility = m.sending_facility,
LATERAL (SELECT translate(encode(substring(m.raw FROM 1 FOR 512), 'escape'), E'\n', E'\r') AS head) AS line
WHERE m.id > %s AND m.replay_of_id IS NULL ORDER BY m.id LIMIT %s
"""


def catch_up() -> None:
    """Count on to the end, or some 200,000 messages further."""
    for _ in range(TURNS):
        if scan() < ROWS:
            return


def scan() -> int:
    """Count on with every feed's sequence; return how many messages that took, 0 when it is at the end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if cursor.fetchone() != (True,):
            return 0
        seen = FeedSequence.objects.aggregate(last=Max("message_id"))["last"] or 0
        cursor.execute(READ, [SETTLED, seen, ROWS])
        numbers: dict[int, list[tuple[str, int]]] = defaultdict(list)
        count = 0
        for message_id, feed_id, control_id, sequence_number, is_settled in cursor:
            if not is_settled:
                break
            seen, count = message_id, count + 1
            numbers[feed_id] += numbered(control_id, sequence_number)
        _keep(numbers, seen)
    return count


def numbered(control_id: str, sequence_number: str) -> list[tuple[str, int]]:
    """Return the series and the number of a message by its MSH-10 and MSH-13, or nothing."""
    field, text = ("MSH-13", sequence_number) if sequence_number else ("MSH-10", control_id)
    match = COUNTED.fullmatch(text)
    return [(f"{field} {match[1]}".rstrip(), int(match[2]))] if match else []


def _keep(numbers: dict[int, list[tuple[str, int]]], seen: int) -> None:
    known = FeedSequence.objects.in_bulk(numbers, field_name="feed_id")
    for feed_id, found in numbers.items():
        sequence = known.get(feed_id) or FeedSequence(feed_id=feed_id)
        sequence.take(found, int(time.time()))
        sequence.message_id = seen
        sequence.save()
