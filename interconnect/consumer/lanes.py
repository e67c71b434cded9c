"""Lanes: several workers side by side, each patient's messages still in their order.

The owner of lane 0 takes from the queue and deals out: a patient's messages always go to the same lane, 1 to N, and
each lane has one owner. A message that concerns two patients waits until every lane is empty, is applied by lane 0, and
only then dealing goes on; the same wait comes before the number of lanes changes. Dealing is one script: a message is
on the queue, in flight or in one lane, whatever is killed.
"""

import zlib
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from django.db import connection

from epicops import keys
from epicops.bulk import columns_of
from epicops.redis_client import Redis
from interconnect.consumer.queue import Claim, Fenced, InboundQueue
from interconnect.handlers import merges
from interconnect.handlers.fields import patient_of, visit_of
from interconnect.hl7 import er7
from interconnect.hl7.rejected import MessageRejected
from vitals.events import Name

MOST: Final = 32
BARRIERS: Final = {*merges.HANDLERS, "ADT^A17", "ADT^A24", "ADT^A37", "ADT^A46", "ADT^A48"}

# KEYS 1 queue 2 inflight 3 ctl 4 takeovers  ARGV 1 batch id 2 owner's token 3 how many of the oldest stay in flight
# 4... the lane of each message, oldest first -> 1, or 0 when it is not in flight any more. The rest goes back.
DEAL: Final = """
if redis.call('LINDEX', KEYS[2], 0) ~= ARGV[1] or redis.call('HGET', KEYS[3], 'token') ~= ARGV[2] then return 0 end
local messages = redis.call('LRANGE', KEYS[2], 1, -1)
local stay, dealt = tonumber(ARGV[3]), #ARGV - 3
redis.call('DEL', KEYS[2])
if stay == 0 then redis.call('HDEL', KEYS[4], ARGV[1]) end
for place = 1, dealt do redis.call('LPUSH', ARGV[3 + place], messages[#messages - place + 1]) end
for place = 1, #messages - dealt - stay do redis.call('RPUSH', KEYS[1], messages[place]) end
redis.call('HINCRBY', KEYS[3], 'left', #messages - dealt - stay)
if stay > 0 then redis.call('RPUSH', KEYS[2], ARGV[1], unpack(messages, #messages - stay + 1)) end
return 1
"""


def current(client: Redis) -> int:
    """Return how many lanes the queue is dealt out to; 1 means that it is not.

    Where somebody has written over the number there may be as many as there can be.
    """
    kept = client.hget(keys.CONTROL, "lanes") or b"1"
    return number if kept.isdigit() and 1 <= (number := int(kept)) <= MOST else MOST


def set_current(client: Redis, lanes: int) -> None:
    """Deal out to so many lanes from now on; all of them must be empty."""
    client.hset(keys.CONTROL, "lanes", str(lanes))


def are_empty(client: Redis, lanes: int) -> bool:
    """Whether everything that was dealt out is committed and acknowledged."""
    names = [name for lane in range(1, lanes + 1) for name in (keys.lane(lane), keys.inflight(lane))]
    return not client.exists(*names)


def deal(queue: InboundQueue, claim: Claim, lanes: Sequence[int]) -> None:
    """Move the oldest messages of the claim to these lanes, one each, and put the others back on the queue.

    With no lanes the claim's oldest message stays in flight by itself, for lane 0 to apply. Fenced when it is not ours.
    """
    names = [keys.lane(lane) for lane in lanes]
    arguments = [str(claim.id), queue.token, 0 if lanes else 1, *names]
    if not queue.client.eval(DEAL, 4, keys.QUEUE, keys.INFLIGHT, keys.CONTROL, keys.TAKEOVERS, *arguments):
        raise Fenced


def plan(messages: Sequence[bytes], lanes: int) -> list[int]:
    """Return the lanes of these messages, up to the first that concerns two patients."""
    subjects = list(takewhile(lambda subject: subject is not None, map(subject_of, messages)))
    names = [subject for subject in subjects if subject is not None]
    survivors = _survivors({name for name in names if isinstance(name, tuple)})
    return [1 + _hash(survivors.get(name, name)) % lanes for name in names]


def subject_of(raw: bytes) -> Name | None:
    """Return whom or what a message is about, None where that is more than one patient."""
    try:
        message = er7.parse(raw)
    except MessageRejected:
        return er7.peek_header(raw).sending_facility, "MSH-4"  # it becomes a dead letter in any lane
    if message.message_type in BARRIERS or message.first("MRG") or len(message.all("PID")) > 1:
        return None
    pid = message.first("PID")
    return patient_of(pid) or visit_of(pid, message.first("PV1")) or (message.sending_facility, "MSH-4")


def _survivors(names: set[Name]) -> dict[Name, Name]:
    """Return for identifiers of merged patients one that all of the patient's have in common."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT i.value, i.authority, (
                 SELECT ARRAY[s.value, s.authority] FROM vitals_patientidentifier s
                 WHERE s.patient_id = i.patient_id ORDER BY s.id LIMIT 1)
               FROM vitals_patientidentifier i
               JOIN unnest(%s::text[], %s::text[]) AS wanted(value, authority) USING (value, authority)""",
            columns_of(names, 2),
        )
        return {(value, authority): (survivor[0], survivor[1]) for value, authority, survivor in cursor.fetchall()}


def _hash(name: Name) -> int:
    return zlib.crc32("\0".join(name).encode())
