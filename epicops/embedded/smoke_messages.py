"""The messages of the smoke test: two admissions with vitals, and two that cannot be applied."""

import socket
from datetime import UTC, datetime

SECONDS = 10  # that an acknowledgement may take

NOT_HL7 = b"ADT^A01|Patient admitted"


def admission(bed: str) -> bytes:
    """Return an ADT^A01 that admits an invented patient to `bed` of the Medical ward."""
    return _message("ADT^A01^ADT_A01", f"ADM{bed}", f"EVN|A01|{_now()}", _pid(bed), _pv1(bed))


def vitals(bed: str) -> bytes:
    """Return an ORU^R01 for the patient in `bed`: heart rate 78, blood pressure 120/80."""
    measured = (("8867-4^Heart rate^LN", "78", "/min"), ("8480-6^Systolic^LN", "120", "mm[Hg]"))
    return _oru(f"ORU{bed}", _pid(bed), _pv1(bed), *_obr(*measured, ("8462-4^Diastolic^LN", "80", "mm[Hg]")))


def vitals_of_nobody() -> bytes:
    """Return an ORU^R01 without a PID segment."""
    return _oru("NOPID", *_obr(("8867-4^Heart rate^LN", "78", "/min")))


def acknowledged(address: tuple[str, int], message: bytes) -> bytes:
    """Send `message` over MLLP and return the acknowledgement."""
    with socket.create_connection(address, timeout=SECONDS) as connection:
        connection.sendall(b"\x0b" + message + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            part = connection.recv(4096)
            if not part:
                break
            answer += part
        return answer.strip(b"\x0b\x1c\r")


def _oru(control_id: str, *segments: str) -> bytes:
    return _message("ORU^R01^ORU_R01", control_id, *segments)


def _message(kind: str, control_id: str, *segments: str) -> bytes:
    header = f"MSH|^~\\&|SMOKE|EPICOPS|EPICOPS|EPICOPS|{_now()}||{kind}|{control_id}|P|2.5.1"
    return "\r".join((header, *segments, "")).encode()


def _pid(bed: str) -> str:
    return f"PID|1||00{bed}013^^^EPICOPS^MR||Rivera^Ana||19610412|F"


def _pv1(bed: str) -> str:
    return f"PV1|1|I|MED^{bed}^{bed}^EPICOPS{'|' * 16}V{bed}^^^EPICOPS"


def _obr(*measured: tuple[str, str, str]) -> list[str]:
    observations = (
        f"OBX|{number}|NM|{code}||{value}|{unit}^^UCUM|||||F|||{_now()}"
        for number, (code, value, unit) in enumerate(measured, 1)
    )
    return [f"OBR|1|||85353-1^Vital signs^LN|||{_now()}", *observations]


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%d%H%M%S}+0000"
