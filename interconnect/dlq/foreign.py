"""What other systems put on `interconnect:dlq`: each such entry becomes a dead letter of ours.

Our own entries stay. The others are moved aside in one script, stamped with a batch id as a claim of the queue is, and
forgotten once that batch is committed: a crash in between neither loses one nor makes two of it. What is then on the
list is our entry for the dead letter.
"""

from typing import Any, Final
from uuid import UUID

from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import MAX_CLAIM_BYTES, Claim, opened, uuid7
from interconnect.hl7.rejected import MessageRejected

LOOKED_AT: Final = 250  # entries near the end where others push, and as many somewhere else
FAILED_ELSEWHERE: Final = "failed-elsewhere"
OURS: Final = '{"v": 1, "id": '

# KEYS 1 dlq 2 taken  ARGV 1 where to begin 2 how many to look at 3 how our entries begin 4 new batch id 5 byte limit
# -> {where to go on, 0 at the end of the list} | {where to go on, batch id, newest, ..., oldest}
TAKE: Final = """
local taken = redis.call('LRANGE', KEYS[2], 0, -1)
if #taken > 0 then return {ARGV[1], unpack(taken)} end
local place, looked, bytes = tonumber(ARGV[1]), 0, 0
while looked < tonumber(ARGV[2]) and bytes < tonumber(ARGV[5]) do
  local entries = redis.call('LRANGE', KEYS[1], place, place + 9)  -- few at once: each may be of many megabytes
  if #entries == 0 then place = 0 break end
  for _, entry in ipairs(entries) do
    looked, bytes = looked + 1, bytes + #entry
    if string.sub(entry, 1, #ARGV[3]) == ARGV[3] then
      place = place + 1
    else
      if #taken == 0 then redis.call('RPUSH', KEYS[2], ARGV[4]); taken[1] = ARGV[4] end
      redis.call('LREM', KEYS[1], 1, entry)
      redis.call('RPUSH', KEYS[2], entry)
      taken[#taken + 1] = entry
    end
  end
end
return {place, unpack(taken)}
"""


class Foreign:
    """Finds what others put on the list: soon where they push, and everywhere else in the course of time."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._place = 0  # where the look at all the rest goes on

    def take(self) -> Claim | None:
        """Return some of it, oldest first, or None. Once it is committed, `forget` it."""
        claim, further = self._take(0)
        if claim is None and further:
            claim, self._place = self._take(max(self._place, further))
        return claim

    def forget(self) -> None:
        self._client.delete(keys.DLQ_TAKEN)

    def _take(self, place: int) -> tuple[Claim | None, int]:
        limits = (place, LOOKED_AT, OURS, str(uuid7()), MAX_CLAIM_BYTES)
        reply: list[Any] = self._client.eval(TAKE, 2, keys.DLQ, keys.DLQ_TAKEN, *limits)
        further, *found = reply
        if not found:
            return None, int(further)
        batch, *newest_first = found
        return Claim(UUID(batch.decode()), tuple(opened(raw) for raw in reversed(newest_first))), int(further)


def as_dead(claim: Claim) -> list[Delivery]:
    """Return the entries as messages that died elsewhere."""
    why = MessageRejected(FAILED_ELSEWHERE, "Another system put this on interconnect:dlq")
    return [Delivery(ordinal, raw, verdict=why) for ordinal, raw in enumerate(claim.messages)]
