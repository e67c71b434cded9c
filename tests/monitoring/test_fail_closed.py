"""What cannot be recorded is not shown: with the audit trail refusing rows, no page with patients on it opens."""

from collections.abc import Callable, Iterator

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.urls import reverse

from interconnect.models import DeadLetter, InboundMessage
from tests.builders import adt, drain, oru, push
from tests.factories import amara, signed_in
from tests.operators import root
from vitals.models import Observation, Patient, Unit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _patients() -> None:
    push(adt("A01"), oru(hr=78), adt("A01", "2", bed=""))
    drain()


@pytest.fixture
def refuse() -> Iterator[Callable[[], None]]:
    """From the call on, no audit row can be written."""

    def begin() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TRIGGER refuse_all BEFORE INSERT ON audit_auditevent FOR EACH ROW "
                "EXECUTE FUNCTION audit_refuse_change()"
            )

    yield begin
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse_all ON audit_auditevent")


def opens(client: Client, url: str) -> bool:
    """Whether the page is shown."""
    try:
        return client.get(url).status_code == 200
    except DatabaseError:
        return False


def row(model: type[Patient | InboundMessage | DeadLetter | Observation]) -> str:
    meta = model._meta
    pk = model._default_manager.latest("pk").pk
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[pk])


@pytest.mark.usefixtures("_patients")
def test_no_page_with_patients_opens_without_its_audit_row(refuse: Callable[[], None]) -> None:
    ward = Unit.objects.get()
    nurse = amara()
    ward.staff.add(nurse)
    clinician, operator = signed_in(Client(), nurse), Client()
    operator.force_login(root())
    pages = {
        reverse("hyperspace:board", args=[ward.pk]): clinician,
        reverse("hyperspace:handover", args=[ward.pk]): clinician,
        reverse("hyperspace:bed", args=["bed427"]): clinician,
        row(Patient): operator,
        row(InboundMessage): operator,
        row(DeadLetter): operator,
        row(Observation): operator,
        reverse("admin:vitals_observation_changelist"): operator,
    }
    assert [url for url, client in pages.items() if opens(client, url)] == list(pages)

    refuse()

    assert [url for url, client in pages.items() if opens(client, url)] == []
