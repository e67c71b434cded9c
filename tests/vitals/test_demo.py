"""The demo's hospital."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from sessions_app.models import User
from vitals.demo import FACILITY, PAT, PEOPLE, kept_passwords, seed
from vitals.models import Bed, PatientIdentifier, Unit


@pytest.fixture
def _seeded(db: None) -> None:
    seed(dict.fromkeys(PEOPLE, "a password"))


def everything() -> list[Any]:
    """What a seed writes, each table in its order."""
    people, beds = User.objects.order_by("pk"), Bed.objects.order_by("pk")
    return [
        list(people.values()),
        list(beds.values()),
        list(PatientIdentifier.objects.order_by("pk").values("value", "patient", "patient__accounts")),
        list(Unit.objects.order_by("pk", "staff").values("name", "staff")),
    ]


@pytest.mark.usefixtures("_seeded")
def test_a_second_seed_changes_nothing() -> None:
    before = everything()

    seed(dict.fromkeys(PEOPLE, "a password"))

    assert everything() == before


@pytest.mark.usefixtures("_seeded")
def test_nobody_gets_a_login_where_real_patients_are(tmp_path: Path) -> None:
    PatientIdentifier.objects.create(patient=PatientIdentifier.objects.get().patient, value="1", authority="HOSPITAL")
    before = everything()

    with pytest.raises(CommandError, match="--among-real-patients"):
        call_command("seed_demo", "--passwords", str(tmp_path / "passwords.json"))
    assert everything() == before


@pytest.mark.usefixtures("_seeded")
def test_bed427_is_where_the_messages_say() -> None:
    bed = Bed.objects.select_related("unit").get(key="bed427")

    assert (bed.unit.code, bed.room, bed.label, bed.unit.facility) == ("MED", "427", "427", "EPICOPS")


@pytest.mark.usefixtures("_seeded")
def test_pat_reads_the_record_of_the_patient_who_is_admitted_first() -> None:
    account = User.objects.get(username="pat").patient_account

    assert list(account.patient.identifiers.values_list("value", "authority")) == [(PAT.mrn, FACILITY)]


@pytest.mark.usefixtures("_seeded")
@pytest.mark.parametrize(
    ("name", "wards"), [("amara", ["ED"]), ("ben", ["MED"]), ("carol", ["ED", "MED"]), ("olu", [])]
)
def test_everybody_has_their_own_wards(name: str, wards: list[str]) -> None:
    assert list(User.objects.get(username=name).units.values_list("code", flat=True)) == wards


@pytest.mark.usefixtures("_seeded")
def test_olu_may_replay_and_read_but_change_nothing() -> None:
    permissions = User.objects.get(username="olu").get_all_permissions()

    assert {
        "interconnect.replay_deadletter",
        "interconnect.view_inboundmessage",
        "audit.view_auditevent",
    } <= permissions
    permissions -= {"interconnect.add_pause"}
    assert not [name for name in permissions if any(verb in name for verb in (".add_", ".change_", ".delete_"))]


def test_passwords_are_random_kept_and_private(tmp_path: Path) -> None:
    here, there = tmp_path / "here.json", tmp_path / "there.json"

    first = kept_passwords(here)

    assert kept_passwords(here) == first == json.loads(here.read_text())
    assert kept_passwords(there) != first
    assert len(set(first.values())) == len(PEOPLE)
    assert stat.S_IMODE(here.stat().st_mode) == 0o600
