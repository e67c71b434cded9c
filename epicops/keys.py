"""Every Redis key epicops reads or writes, on one page. A key never holds patient data: internal ids only."""

# Interconnect: the wire contract. Senders LPUSH; the worker takes from the right.
QUEUE = "interconnect:queue"
DLQ = "interconnect:dlq"
# Helpers. Braces around the whole wire key put them on its Cluster slot.
INFLIGHT = "{interconnect:queue}:inflight"
CONTROL = "{interconnect:queue}:ctl"
TAKEOVERS = "{interconnect:queue}:takeovers"

# Sessions. Not under `session:`, where any name could be somebody's id.
SESSIONS_GENERATION = "sessions:generation"
SESSIONS_UNREGISTERED = "sessions:unregistered"


def session(session_id: str) -> str:
    """Name the HASH of one login: user_id, role, department, portal, last_activity and Django's data."""
    return f"session:{session_id}"


def vitals(bed: str) -> str:
    """Name the STRING of a bed's latest vitals, compact JSON, 60 s."""
    return f"patient:{bed}:vitals"


def raw_cache_key(key: str, _prefix: str, _version: int) -> str:
    """Hand django-redis the key as it is: other systems read the same names."""
    return key


def raw_cache_key_reverse(key: str) -> str:
    """Undo `raw_cache_key` for django-redis' key listings."""
    return key
