import itertools
import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import hl7
import pytest
from django.core.management import CommandError, call_command

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.sample_messages import SPOILERS, not_a_number, spoil, unknown_event
from interconnect.sample_patients import VITALS
from interconnect.simulator import Hospital, generate, places, ticking
from interconnect.wire.mllp_client import control_id_of
from tests.builders import drain
from tests.factories import admit, bed
from tests.processes import ManageProcess
from vitals.demo import PAT
from vitals.models import PatientIdentifier, Stay

START = datetime(2026, 1, 1, tzinfo=UTC)


def hospital(seed: int = 7, beds: int = 32, bad_percent: float = 0) -> Hospital:
    return Hospital(seed=seed, beds=beds, bad_percent=bad_percent, clock=ticking(START))


def messages(source: Hospital, count: int) -> list[bytes]:
    return [source.next_message() for _ in range(count)]


def parsed(raw: bytes) -> hl7.Message:
    return hl7.parse(raw, encoding="utf-8")


def test_the_same_seed_gives_the_same_messages() -> None:
    assert messages(hospital(bad_percent=10), 300) == messages(hospital(bad_percent=10), 300)


def test_another_seed_gives_other_patients() -> None:
    assert messages(hospital(1), 1) != messages(hospital(2), 1)


def test_the_patient_of_the_demos_login_is_admitted_first() -> None:
    source = Hospital(seed=7, clock=ticking(START), expected=PAT)

    names = [str(parsed(raw)["PID.F3.R1.C1"]) for raw in messages(source, 2)]

    assert names[0] == PAT.mrn != names[1]


def test_every_good_message_is_read_back_by_a_parser() -> None:
    for raw in messages(hospital(), 500):
        assert str(parsed(raw)).encode() == raw


def test_control_ids_are_never_repeated() -> None:
    ids = [control_id_of(raw) for raw in messages(hospital(), 500)]

    assert len(set(ids)) == 500
    assert max(map(len, ids)) <= 20  # MSH-10 before v2.7


def test_the_wards_are_four_fifths_full_to_begin_with() -> None:
    kinds = [raw.split(b"|")[8] for raw in messages(hospital(beds=10), 9)]

    assert kinds[:8] == [b"ADT^A01^ADT_A01"] * 8
    assert kinds[8] != b"ADT^A01^ADT_A01"


def test_whoever_is_there_when_it_opens_has_been_measured_each_half_hour_for_hours() -> None:
    source = hospital(beds=10)

    past = [parsed(raw) for raw in source.past(hours=3)]

    taken = [str(message["MSH.F7"])[:12] for message in past if str(message["MSH.F9.R1.C1"]) == "ORU"]
    assert [str(message["MSH.F9.R1.C2"]) for message in past].count("A01") == 8
    assert Counter(taken) == {"202512312100": 4} | dict.fromkeys(
        ("202512312130", "202512312200", "202512312230", "202512312300", "202512312330"), 8
    )
    assert b"ADT^A01" not in source.next_message()  # the wards are as full as they should be


def movements(count: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield event, visit, place and prior place of each."""
    source = hospital()
    for _ in range(count):
        message = parsed(source.movement())
        pv1 = message.segment("PV1")
        yield message["MSH.F9.R1.C2"], message["PV1.F19.R1.C1"], str(pv1[3]), str(pv1[6])


def test_nobody_is_put_into_an_occupied_bed() -> None:
    occupants: dict[str, str] = {}
    for event, visit, place, _ in movements(2000):
        occupants = {bed: who for bed, who in occupants.items() if who != visit}
        assert place not in occupants
        if event != "A03":
            occupants[place] = visit


def test_a_transfer_names_the_bed_before() -> None:
    place_of: dict[str, str] = {}
    for event, visit, place, prior in movements(200):
        assert prior == (place_of[visit] if event == "A02" else "")
        place_of[visit] = place


def test_readings_carry_code_unit_status_and_time() -> None:
    raw = next(raw for raw in messages(hospital(), 100) if b"|ORU^" in raw)

    observations = parsed(raw).segments("OBX")

    assert [str(obx[3]).split("^")[0] for obx in observations] == [vital.code for vital in VITALS]
    assert [str(obx[6]) for obx in observations] == [f"{vital.unit}^^UCUM" for vital in VITALS]
    assert {str(obx[11]) for obx in observations} <= {"F", "R"}
    assert {str(obx[14]) for obx in observations} == {str(parsed(raw)["MSH.F7"])}


def test_vitals_drift_and_now_and_then_somebody_deteriorates() -> None:
    sent = b"".join(messages(hospital(beds=4), 3000))
    rates = [float(value) for value in re.findall(rb"8867-4\^Heart rate\^LN\|\|(\d+)", sent)]

    assert 60 < sorted(rates)[len(rates) // 2] < 100
    assert max(rates) > 115


def test_bad_messages_come_as_often_as_asked() -> None:
    fine = Counter(b"|ADT^A" in raw or b"|ORU^" in raw for raw in messages(hospital(bad_percent=0), 1000))
    sent = messages(hospital(bad_percent=20), 1000)

    assert fine == {True: 1000}
    assert 120 < sum(is_spoiled(raw) for raw in sent) < 280


def is_spoiled(raw: bytes) -> bool:
    is_whole = raw.startswith(b"MSH|") and b"\rPID|1||0" in raw
    return not is_whole or any(fault in raw for fault in (b"20251399", b"|ADT^Z99|", b"not measured"))


@pytest.mark.parametrize("spoiler", [*SPOILERS, unknown_event, not_a_number])
def test_every_fault_is_one(spoiler: Callable[..., bytes]) -> None:
    source = hospital()
    good = [source.movement(), source.vitals()]

    assert any(is_spoiled(spoiler(source._random, raw)) for raw in good)


def test_a_spoiled_message_stays_one_frame() -> None:
    source = hospital()
    spoiled = [spoil(source._random, source.movement()) for _ in range(500)]

    assert not any(mark in raw for raw in spoiled for mark in (b"\x0b", b"\x1c"))


def test_benchmark_messages_are_half_movements_half_vitals() -> None:
    kinds = Counter(raw.split(b"|")[8][:3] for raw in generate(2000))

    assert kinds == {b"ADT": 1000, b"ORU": 1000}


def test_known_wards_come_first_and_further_ones_are_invented() -> None:
    names = [str(place) for place in places(50)]

    assert "MED^427^427^EPICOPS" in names[:32]
    assert names[32] == "W1^433^433^EPICOPS"
    assert len(set(names)) == 50


def test_bed_numbers_are_unique() -> None:
    numbers = [place.number for place in places(100)]

    assert all(one < other for one, other in itertools.pairwise(numbers))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_command_pushes_to_the_list_in_order(manage: Callable[..., ManageProcess]) -> None:
    options = ("--lpush", "--rate", "0", "--count", "1200", "--seed", "7", "--bad", "0", "--start", "2026-01-01T00:00Z")
    process = manage("simulate_hospital", *options, "--json")

    assert process.wait() == 0
    report = json.loads(process.stdout)
    assert (report["seed"], report["sent"], report["accepted"], report["pending"]) == (7, 1200, 1200, 0)
    assert queue_client().lrange(keys.QUEUE, 0, -1)[::-1] == messages(hospital(), 1200)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_command_stops_when_asked_and_says_what_it_did(manage: Callable[..., ManageProcess]) -> None:
    process = manage("simulate_hospital", "--lpush", "--rate", "200", "--json")
    while not queue_client().llen(keys.QUEUE):
        assert process.is_running

    process.signal(signal.SIGTERM)

    assert process.wait(5) == 0
    assert json.loads(process.stdout)["accepted"] == queue_client().llen(keys.QUEUE)


@pytest.mark.django_db
def test_no_invented_patient_is_put_among_real_ones_unasked() -> None:
    visit = admit(bed())
    PatientIdentifier.objects.create(patient=visit.patient, value="1", authority="HOSPITAL")
    run = ("simulate_hospital", "--lpush", "--count", "1", "--rate", "0")

    with pytest.raises(CommandError, match="--among-real-patients"):
        call_command(*run)
    assert queue_client().llen(keys.QUEUE) == 0

    call_command(*run, "--among-real-patients")
    assert queue_client().llen(keys.QUEUE) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "option",
    [("--rate", "-1"), ("--bad", "101"), ("--mllp", "nowhere"), ("--mllp", "127.0.0.1:99999"), ("--beds", "0")],
)
def test_a_wrong_option_is_refused(manage: Callable[..., ManageProcess], option: tuple[str, str]) -> None:
    process = manage("simulate_hospital", *option)

    assert process.wait() == 2
    assert option[0] in process.stderr


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_fresh_run_finds_every_bed_free(manage: Callable[..., ManageProcess]) -> None:
    for seed in ("1", "2"):
        options = ("--lpush", "--rate", "0", "--bad", "0", "--count", "300", "--seed", seed, "--fresh")
        assert manage("simulate_hospital", *options).wait() == 0
        drain()

    beds = list(Stay.objects.filter(to_at=None).values_list("bed", flat=True))
    assert 20 < len(beds) <= 32
    assert len(set(beds)) == len(beds)
