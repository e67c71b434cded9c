"""HL7 messages made to measure, and what the tests of the interface share."""

from datetime import UTC, datetime, timedelta

from epicops import keys
from epicops.redis_client import queue_client
from epicops.shutdown import StopFlag
from interconnect.consumer.worker import Worker

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    """An HL7 time so many minutes after nine."""
    return (NINE + timedelta(minutes=minutes)).strftime("%Y%m%d%H%M%S+0000")


def adt(
    event: str, mrn: str = "00427013", *, bed: str = "427", minutes: float = 0, visit: str = "", family: str = "Okafor"
) -> bytes:
    """An ADT message of ward MED for one visit per patient unless `visit` says otherwise."""
    when = at(minutes)
    location = f"MED^{bed}^{bed}^EPICOPS" if bed else ""
    segments = (
        f"MSH|^~\\&|EPIC|EPICOPS|EPICOPS|EPICOPS|{when}||ADT^{event}^ADT_A01|{event}{mrn}{minutes}|P|2.5.1",
        f"EVN|{event}|{when}",
        f"PID|1||{mrn}^^^EPIC^MR||{family}^Amaka||19610412|F",
        f"PV1|1|I|{location}{'|' * 16}{visit or 'V' + mrn}",
    )
    return "\r".join(segments).encode()


def oru(
    mrn: str = "00427013", *, minutes: float = 1, status: str = "F", stated: float | None = None, **values: object
) -> bytes:
    """An ORU^R01 with the given vitals, for example hr=78, sbp=120, dbp=80; sent at `stated` where that differs."""
    when, sent = at(minutes), at(minutes if stated is None else stated)
    codes = {"hr": "8867-4", "sbp": "8480-6", "dbp": "8462-4", "rr": "9279-1", "spo2": "59408-5", "temp": "8310-5"}
    observations = (
        f"OBX|{number}|NM|{codes[vital]}^{vital}^LN||{value}||||||{status}|||{when}"
        for number, (vital, value) in enumerate((values or {"hr": 78}).items(), 1)
    )
    segments = (
        f"MSH|^~\\&|MONITOR|EPICOPS|EPICOPS|EPICOPS|{sent}||ORU^R01^ORU_R01|R01{mrn}{minutes}|P|2.5.1",
        f"PID|1||{mrn}^^^EPIC^MR",
        f"OBR|1|||VITALS|||{when}",
        *observations,
    )
    return "\r".join(segments).encode()


def merge(
    event: str, mrn: str, old: str, *, minutes: float = 0, visit: str = "", old_visit: str = "", account: str = ""
) -> bytes:
    """An ADT message by which `old` becomes `mrn`, and `old_visit` becomes `visit`."""
    when = at(minutes)
    segments = (
        f"MSH|^~\\&|EPIC|EPICOPS|EPICOPS|EPICOPS|{when}||ADT^{event}^ADT_A39|{event}{mrn}{minutes}|P|2.5.1",
        f"EVN|{event}|{when}",
        f"PID|1||{mrn}^^^EPIC^MR||Okafor^Amaka||19610412|F",
        f"MRG|{old}^^^EPIC^MR||{account}||{old_visit}",
        f"PV1|1|I|{'|' * 16}{visit}",
    )
    return "\r".join(segments).encode()


def push(*messages: bytes) -> None:
    """LPUSH as a sender does, in this order."""
    queue_client().lpush(keys.QUEUE, *messages)


def drain(size: int = 200) -> Worker:
    """Run a worker in this process until nothing is left."""
    worker = Worker(queue_client(), size=size, drain=True, stop=StopFlag())
    worker.run()
    return worker
