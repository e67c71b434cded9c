"""Who may do what on the Redis servers, as ACL files for Redis >= 7.0 and Valkey.

Each process has its own user and nobody is `default`. Parentheses are selectors: in one script all keys must match the
same one. Key patterns do not filter SCAN, DBSIZE or CLIENT LIST, which is one reason why keys name no patient.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

# Off and without a password: nobody is this user. It has all rights because Redis 7.0 reads its append-only file as
# `default`: without them a restart leaves out every transaction in it, and so what scripts wrote.
NOBODY: Final = "user default off resetpass allkeys allchannels +@all"
NOTHING: Final = "resetkeys resetchannels -@all"
CONNECTION: Final = (
    "+ping +hello +auth +select +client|setname +client|id +client|no-evict +reset +quit "
    "+cluster|slots +cluster|nodes +cluster|info +asking +readonly"  # finding a key's shard, and following it
)
SCRIPTS: Final = "+eval +evalsha +script|load +multi +exec +discard"
HASHES: Final = "+hset +hsetnx +hget +hmget +hgetall +hexists +hdel +hlen +hincrby"
TIMES: Final = "+expire +pexpire +persist +ttl +pttl +exists +type +memory|usage +del +unlink"
STRINGS: Final = "+get +mget +set +mset +getex +strlen +incr +incrby +decr +decrby"
LISTS: Final = "+llen +lrange +lindex +lrem +ltrim +lpush +rpush +lpop +rpop +lmove +blmove"
SETS: Final = "+sadd +srem +smembers +sismember +scard"
QUEUE: Final = "~interconnect:* ~{interconnect:*}:*"
BOARD: Final = "~patient:* ~{patient:*}:meta ~bed:* ~nurse:* ~vitals:*"
BOARD_ACCESS: Final = f"({BOARD} {STRINGS} {HASHES} {SETS} {TIMES} {SCRIPTS})"

USERS: Final[Mapping[str, str]] = {
    # Pages: sessions and boards in full; of the queue what operators see, and pausing it; the servers' own pages.
    "web": f"{NOTHING} {CONNECTION} +wait +scan +info +time +dbsize +client|tracking "
    f"+client|list +slowlog|get ~session:* {HASHES} {TIMES} {SCRIPTS} "
    f"{BOARD_ACCESS} (~sessions:* {STRINGS} {SETS} {TIMES}) "
    f"({QUEUE} +llen +lrange +lindex +lrem +lpush +hget +hgetall +hset +hdel +hexists +type "
    "+pttl +memory|usage +eval +evalsha)",
    # The worker and its housekeeping: the queue in full, boards written through; no session.
    "worker": f"{NOTHING} {CONNECTION} +wait +info +time {QUEUE} {LISTS} {HASHES} {TIMES} {SCRIPTS} +get +set "
    f"{BOARD_ACCESS}",
    # The MLLP listener and foreign senders: they add messages and cannot read one.
    "ingest": f"{NOTHING} {CONNECTION} +wait +info +time %W~interconnect:queue +lpush +llen "
    "(~{interconnect:queue}:alive +eval +evalsha +hset +hdel)",
    # Figures only: no command that shows a value (MONITOR, SLOWLOG GET, CONFIG GET).
    "monitor": f"{NOTHING} {CONNECTION} +info +dbsize +lastsave +role +latency|latest +latency|history +slowlog|len "
    "+memory|stats +acl|whoami +acl|log +client|list +scan +ttl +pttl +type +exists +llen +hlen +strlen "
    f"+memory|usage +object|freq +object|idletime +object|encoding ~session:* {QUEUE} {BOARD}",
    # People, for runbooks: everything but what ends or empties a server in one word.
    "admin": "~* &* +@all -debug -flushall -flushdb -keys -monitor -swapdb -module -migrate -restore",
    # A replica, to its primary.
    "replica": f"{NOTHING} +psync +replconf +ping",
    # Sentinels, to the servers they watch. Valkey's coordinated failover needs client|pause and failover.
    "sentinel": "resetkeys allchannels -@all +multi +exec +discard +slaveof +replicaof +failover +ping +subscribe "
    "+publish +config|rewrite +role +info +client|setname +client|kill +client|pause +client|unpause +script|kill "
    "+auth +hello",
}

# On the Sentinels themselves: `app` finds primaries, `peer` is another Sentinel or an operator.
SENTINEL_USERS: Final[Mapping[str, str]] = {
    "app": f"{NOTHING} +ping +hello +auth +client|setname +client|id +sentinel|masters +sentinel|slaves "
    "+sentinel|replicas +sentinel|get-master-addr-by-name +sentinel|master +sentinel|sentinels +sentinel|ckquorum "
    "+sentinel|myid +role +info",
    "peer": "allkeys allchannels +@all",
}


def render(users: Mapping[str, str], passwords: Mapping[str, str]) -> str:
    """Return an ACL file with these users; it holds hashes of their passwords only."""
    lines = [f"user {name} on #{digest(passwords[name])} {rules}" for name, rules in users.items()]
    return "\n".join([NOBODY, *lines]) + "\n"


def digest(password: str) -> str:
    """Return a password as `ACL SETUSER name #…` takes it."""
    return hashlib.sha256(password.encode()).hexdigest()
