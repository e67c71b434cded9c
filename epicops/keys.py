"""Every Redis key epicops reads or writes, on one page. A key never holds patient data: internal ids only."""

# Interconnect: the wire contract. Senders LPUSH; the worker takes from the right.
QUEUE = "interconnect:queue"
DLQ = "interconnect:dlq"
# Helpers. Braces around the whole wire key put them on its Cluster slot.
DLQ_TAKEN = "{interconnect:dlq}:taken"
INFLIGHT = "{interconnect:queue}:inflight"
CONTROL = "{interconnect:queue}:ctl"
TAKEOVERS = "{interconnect:queue}:takeovers"
SLICES = "{interconnect:queue}:slices"
CANARY = "{interconnect:queue}:canary"
# HASHes like a lane's canary, of what the worker delivers besides claims.
CANARY_REPLAYS = "{interconnect:queue}:replays:canary"
CANARY_RELEASES = "{interconnect:queue}:releases:canary"
CANARY_FOREIGN = "{interconnect:queue}:foreign:canary"
ALIVE = "{interconnect:queue}:alive"


def lane(number: int) -> str:
    """Name the LIST of what was dealt out to a lane and waits there."""
    return INFLIGHT.replace("inflight", f"lane:{number}")


def inflight(number: int) -> str:
    """Name the LIST of a lane's claim; lane 0 claims from the queue itself."""
    return f"{lane(number)}:inflight" if number else INFLIGHT


def slices(number: int) -> str:
    """Name the LIST of the parts of a lane's claim that is one message, too large to be read."""
    return f"{lane(number)}:slices" if number else SLICES


def canary(number: int) -> str:
    """Name the HASH of a lane's suspicious claim."""
    return f"{lane(number)}:canary" if number else CANARY


# Sessions. Not under `session:`, where any name could be somebody's id.
SESSIONS_GENERATION = "sessions:generation"
SESSIONS_UNREGISTERED = "sessions:unregistered"


def session(session_id: str) -> str:
    """Name the HASH of one login: user_id, role, department, portal, last_activity and Django's data."""
    return f"session:{session_id}"


HEART_RATE_SUMMARY = "vitals:day:hr"
CACHE_COUNTS = "vitals:counts"
CACHED = ("patient:", "bed:", "nurse:")  # what processes may keep local copies of


def vitals(bed: str) -> str:
    """Name the STRING of a bed's latest vitals, compact JSON, 60 s."""
    return f"patient:{bed}:vitals"


def vitals_meta(bed: str) -> str:
    """Name the HASH that fences a bed's vitals: `v`, `lease`, `until`. Braces put it on the value's Cluster slot."""
    return "{" + vitals(bed) + "}:meta"  # outside `patient:`, so that nobody who follows that prefix hears of it


def location(patient_id: int) -> str:
    """Name the HASH of where a patient is: bed, unit, room, facility, visit, since; 60 s."""
    return f"patient:{patient_id}:location"


def occupant(bed: str) -> str:
    """Name the STRING with the id of the patient in a bed; 60 s."""
    return f"bed:{bed}:patient"


def patients_of_nurse(nurse_id: int) -> str:
    """Name the SET of ids of the patients a nurse looks after, and 0; 60 s."""
    return f"nurse:{nurse_id}:patients"


def nurses_of_patient(patient_id: int) -> str:
    """Name the SET of ids of a patient's nurses, and 0; 60 s."""
    return f"patient:{patient_id}:nurses"


def raw_cache_key(key: str, _prefix: str, _version: int) -> str:
    """Hand django-redis the key as it is: other systems read the same names."""
    return key


def raw_cache_key_reverse(key: str) -> str:
    """Undo `raw_cache_key` for django-redis' key listings."""
    return key
