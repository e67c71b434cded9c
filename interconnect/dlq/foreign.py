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

LOOKED_AT: Final = 500  # entries nearest to the end where others push
FAILED_ELSEWHERE: Final = "failed-elsewhere"
OURS: Final = '{"v": 1, "id": '

# KEYS 1 dlq 2 taken  ARGV 1 how many to look at 2 how our entries begin 3 new batch id 4 byte limit
# -> {} | {batch id, newest, ..., oldest}
TAKE: Final = """
local taken = redis.call('LRANGE', KEYS[2], 0, -1)
if #taken > 0 then return taken end
local bytes = 0
for _, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)) do
  if string.sub(entry, 1, #ARGV[2]) ~= ARGV[2] then
    if #taken == 0 then redis.call('RPUSH', KEYS[2], ARGV[3]); taken[1] = ARGV[3] end
    redis.call('LREM', KEYS[1], 1, entry)
    redis.call('RPUSH', KEYS[2], entry)
    taken[#taken + 1] = entry
    bytes = bytes + #entry
    if bytes > tonumber(ARGV[4]) then break end
  end
end
return taken
"""


def take(client: Redis) -> Claim | None:
    """Return what others put on the list, oldest first, or None. Once it is committed, `forget` it."""
    limits = (LOOKED_AT, OURS, str(uuid7()), MAX_CLAIM_BYTES)
    reply: list[Any] = client.eval(TAKE, 2, keys.DLQ, keys.DLQ_TAKEN, *limits)
    if not reply:
        return None
    batch, *newest_first = reply
    return Claim(UUID(batch.decode()), tuple(opened(raw) for raw in reversed(newest_first)))


def forget(client: Redis) -> None:
    client.delete(keys.DLQ_TAKEN)


def as_dead(claim: Claim) -> list[Delivery]:
    """Return the entries as messages that died elsewhere."""
    why = MessageRejected(FAILED_ELSEWHERE, "Another system put this on interconnect:dlq")
    return [Delivery(ordinal, raw, verdict=why) for ordinal, raw in enumerate(claim.messages)]
