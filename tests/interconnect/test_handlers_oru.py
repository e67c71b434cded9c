"""What ORU^R01 does, value by value."""

from decimal import Decimal

import pytest

from interconnect.models import DeadLetter, InboundMessage
from sessions_app.models import User
from tests.builders import adt, drain, oru, push
from vitals.models import CodeMapping, Observation, SupersededObservation, UnmappedCode

pytestmark = pytest.mark.django_db(transaction=True)


def message(*observations: str) -> bytes:
    """An ORU^R01 with these OBX, each from its field 2 on."""
    head = oru(hr=1).replace(b"|R01", f"|R01-{InboundMessage.objects.count()}-".encode())  # each a message of its own
    lines = [f"OBX|{number}|{rest}" for number, rest in enumerate(observations, 1)]
    return head[: head.index(b"OBX|")] + "\r".join(lines).encode()


def kept(*observations: str) -> list[tuple[str, float]]:
    """What is shown after these OBX were applied."""
    push(message(*observations))
    drain()
    return [
        (vital, float(value)) for vital, value in Observation.objects.order_by("vital").values_list("vital", "value")
    ]


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        ("NM|8867-4^Heart rate^LN||78|/min|||||F", ("hr", 78)),
        ("NM|147842^MDC_ECG_HEART_RATE^MDC||78|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R", ("hr", 78)),
        ("NM|HRX^^L^8867-4^Heart rate^LN||78|bpm|||||F", ("hr", 78)),
        ("SN|8867-4^^LN||^182|/min|||||F", ("hr", 182)),
        ("ST|8867-4^^LN||78|/min|||||F", ("hr", 78)),
        ("NM|8480-6^^LN||16|kPa|||||F", ("sbp", 120)),
        ("NM|59408-5^^LN||0.97|1|||||F", ("spo2", 97)),
        ("NM|8310-5^^LN||102.2|°F|||||F", ("temp", 39)),
        ("NM|29463-7^^LN||160|lb|||||F", ("weight", 72.57)),
        ("NM|29463-7^^LN||72500|g|||||F", ("weight", 72.5)),
        ("NM|8302-2^^LN||1.82|m|||||F", ("height", 182)),
        ("NM|9269-2^^LN||15|{score}|||||F", ("gcs", 15)),
        ("NM|8310-5^^LN||102.2||||||F", ("temp", 39)),
        ("NM|8310-5^^LN||37.5||||||F", ("temp", 37.5)),
        ("NM|150344^MDC_TEMP^MDC||99.5|266560^MDC_DIM_FAHR^MDC|||||R", ("temp", 37.5)),
        ("CWE|67775-7^^LN||V^Voice||||||F", ("acvpu", 2)),
        ("ST|67775-7^^LN||Responds to pain||||||F", ("acvpu", 3)),
        ("NM|3151-8^^LN||2|L/min|||||F", ("o2", 2)),
        ("NM|8480-6^^LN||20|^kPa|||||F", ("sbp", 150)),
        ("NM|2708-6^^LN||.97||||||F", ("spo2", 97)),
        ("NM|3150-0^^LN||0.28||||||F", ("fio2", 28)),
    ],
)
def test_codes_and_units(observation: str, expected: tuple[str, float]) -> None:
    assert kept(observation) == [expected]


@pytest.mark.parametrize(
    "observation",
    [
        "ST|67775-7^^LN||Absent||||||F",
        "ST|67775-7^^LN||Unable to assess||||||F",
        "CWE|67775-7^^LN||A^Alert~C^New confusion||||||F",
        "NM|8867-4^^LN||78~120|/min|||||F",
        f"NM|8867-4^^LN||{'9' * 200}|/min|||||F",
        "NM|8867-4^^LN||1_20|/min|||||F",
        "NM|8867-4^^LN||1e2|/min|||||F",
        "NM|8310-5^^LN||37,5|Cel|||||F",
        "ST|59408-5^^LN||<90|%|||||F",
        "SN|59408-5^^LN||<^90|%|||||F",
    ],
)
def test_what_is_no_plain_value_is_not_guessed(observation: str) -> None:
    assert kept(observation) == []
    assert DeadLetter.objects.get().error_path == "OBX[1]-5"


def test_each_patients_results_are_their_own() -> None:
    one, two = oru("ONE", hr=60).split(b"\r", 1)[1], oru("TWO", hr=120).split(b"\r", 1)[1]
    push(adt("A01", "ONE"), adt("A01", "TWO", bed="428"), oru().split(b"\r")[0] + b"\r" + one + b"\r" + two)
    drain()

    values = Observation.objects.values_list("patient__identifiers__value", "value")
    assert dict(values) == {"ONE": 60, "TWO": 120}


def test_a_pressure_panel_is_two_values() -> None:
    assert kept("ST|85354-9^^LN||140/90|mmHg|||||F") == [("dbp", 90), ("sbp", 140)]


def test_a_code_counts_in_its_own_system_only() -> None:
    assert kept("NM|8867-4^^99LOCAL||78|/min|||||F", "NM|150344^^LN||37||||||F") == []
    assert set(UnmappedCode.objects.values_list("code", "system")) == {("8867-4", "99LOCAL"), ("150344", "LN")}


def test_a_local_code_is_counted_until_somebody_maps_it() -> None:
    flowsheet = ("ST|5^BP^||140/90||||||F", "NM|6^Temp||102.2||||||F")
    assert kept(*flowsheet) == []
    assert InboundMessage.objects.get().reason == "2 codes not mapped"
    assert UnmappedCode.objects.get(code="6").label == "Temp"

    CodeMapping.objects.create(code="5", vital="bp")
    CodeMapping.objects.create(code="6", vital="temp", unit="[degF]")
    assert kept(*flowsheet) == [("dbp", 90), ("sbp", 140), ("temp", 39)]
    assert UnmappedCode.objects.get(code="6").count == 1


def test_a_bad_value_leaves_the_others_and_a_dead_letter_to_repair() -> None:
    bad = ("NM|8867-4^^LN||fast|/min|||||F", "NM|9279-1^^LN||16|/min|||||F", "NM|8310-5^^LN||310|K|||||F")
    assert kept(*bad) == [("rr", 16)]

    letter = DeadLetter.objects.get()
    assert (letter.message.status, letter.message.reason) == ("applied", "not usable: OBX[1]-5, OBX[3]-6")
    assert (letter.error_path, letter.state) == ("OBX[1]-5", "open")


def test_replaying_a_partial_message_changes_nothing_twice() -> None:
    olu = User.objects.create_user("olu", role=User.Role.OPERATOR)
    kept("NM|8867-4^^LN||fast|/min|||||F", "NM|9279-1^^LN||16|/min|||||F")
    DeadLetter.objects.request_replay(by=olu)
    drain()

    assert Observation.objects.count() == 1
    assert list(DeadLetter.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "open"]


def test_a_repaired_partial_message_adds_what_was_missing() -> None:
    olu = User.objects.create_user("olu", role=User.Role.OPERATOR)
    kept("NM|8867-4^^LN||fast|/min|||||F", "NM|9279-1^^LN||16|/min|||||F")
    letter = DeadLetter.objects.get()
    letter.message.revisions.create(
        raw=bytes(letter.message.raw).replace(b"fast", b"88"), reason="by phone", edited_by=olu
    )
    DeadLetter.objects.request_replay(by=olu)
    drain()

    assert dict(Observation.objects.values_list("vital", "value")) == {"hr": Decimal(88), "rr": Decimal(16)}
    assert DeadLetter.objects.get().state == "resolved"


@pytest.mark.parametrize("status", ["X", "N", "I", "O"])
def test_results_without_a_value_are_passed_over(status: str) -> None:
    assert kept(f"NM|8867-4^^LN||||||||{status}", "NM|9279-1^^LN||16||||||F") == [("rr", 16)]
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize(("sent", "status"), [("R", "R"), ("S", "P"), ("P", "P"), ("U", "F"), ("A", "F"), ("", "F")])
def test_statuses_are_kept_as_what_they_mean(sent: str, status: str) -> None:
    kept(f"NM|8867-4^^LN||78||||||{sent}")

    assert Observation.objects.get().status == status


@pytest.mark.parametrize("status", ["D", "W"])
def test_a_withdrawn_value_is_gone_and_remembered(status: str) -> None:
    push(oru(hr=78), oru(hr='""', status=status), oru(hr=78))
    drain()

    assert not Observation.objects.exists()
    assert Observation.everything.get().status == status
    assert [int(old.value) for old in SupersededObservation.objects.all()] == [78]


def test_a_correction_keeps_the_old_value_in_history() -> None:
    push(oru(hr=78))
    drain()
    push(oru(hr=87, status="C"))
    drain()

    assert int(Observation.objects.get().value) == 87
    assert int(SupersededObservation.objects.get().value) == 78


def test_an_implausible_value_is_kept_and_not_shown() -> None:
    assert kept("NM|8867-4^^LN||900|/min|||||F") == []

    assert int(Observation.everything.get().value) == 900
    assert InboundMessage.objects.get().reason == "implausible values are kept and not shown"


def test_the_time_is_obx_14_else_obr_7_else_msh_7() -> None:
    times = message("NM|8867-4^^LN||78||||||F|||20260302080000+0000", "NM|9279-1^^LN||16||||||F")
    push(times, times.replace(b"OBR|1|||VITALS|||20260302090100+0000", b"OBR|1").replace(b"090100", b"070000"))
    drain()

    hours = Observation.objects.order_by("observed_at").values_list("vital", "observed_at__hour")
    assert list(hours) == [("rr", 7), ("hr", 8), ("rr", 9)]


def test_a_birth_date_nobody_can_read_does_not_lose_the_vitals() -> None:
    push(oru(hr=78).replace(b"^^^EPIC^MR", b"^^^EPIC^MR||Okafor||Aug 15, 1942"), adt("A01"))
    drain()

    assert Observation.objects.count() == 1


ELSEWHERE = "PV1-3 is not where the patient is"


def in_place(place: str, minutes: float = 6) -> bytes:
    """Vitals whose PV1-3 is this place."""
    return oru(hr=80, minutes=minutes).replace(b"\rOBR", f"\rPV1|1|I|{place}\rOBR".encode())


@pytest.mark.parametrize(
    ("place", "remark"),
    [
        ("MED^427^427^EPICOPS", ""),
        ("MED^427", ""),  # what a sender leaves out contradicts nothing
        ("MED^428^428", ELSEWHERE),
        ("ICU", ELSEWHERE),
    ],
)
def test_vitals_from_another_bed_are_kept_and_flagged(place: str, remark: str) -> None:
    push(adt("A01"), in_place(place))
    drain()

    assert Observation.objects.get().value == 80
    assert InboundMessage.objects.get(message_type="ORU^R01").reason == remark


def test_vitals_of_a_patient_in_no_bed_are_flagged_where_they_name_one() -> None:
    push(in_place("MED^427^427"), oru(minutes=7))
    drain()

    assert list(InboundMessage.objects.order_by("pk").values_list("reason", flat=True)) == [ELSEWHERE, ""]


def test_late_vitals_are_not_measured_against_a_later_bed() -> None:
    push(adt("A01"), adt("A02", bed="428", minutes=5), in_place("MED^427^427", minutes=2))
    drain()

    assert InboundMessage.objects.get(message_type="ORU^R01").reason == ""


def test_a_value_of_the_future_hides_none_that_come_after_it() -> None:
    rate, ahead = "NM|8867-4^^LN||{}|/min|||||F|||{}", "20990101120000+0000"
    push(message(rate.format(88, ahead), rate.format(71, "")))
    drain()
    push(message(rate.format(180, ahead)))
    drain()

    assert list(Observation.objects.values_list("value", flat=True)) == [71]
    partial, dead = InboundMessage.objects.order_by("id")
    assert "OBX[1]-14" in partial.reason
    assert (dead.dead_letter.error_class, dead.dead_letter.error_path) == ("future-time", "OBX[1]-14")
