"""Whom a message is about: masked in lists; in clear for those who may read messages, and each look is audited."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from interconnect.admin.reading import record_reading
from interconnect.finding.inspector import VISIBLE
from interconnect.hl7.er7 import readable
from interconnect.models import InboundMessage

HEAD: Final = 2048  # bytes of a message in which its PID segment is looked for
SHOWN: Final = 200  # patients on one page
TELLING: Final = 5  # characters; the last two of a shorter identifier say too much


class Person(NamedTuple):
    """What a message says of its patient; empty where it says nothing, or nothing within its first bytes."""

    identifier: str  # PID-3.1
    name: str  # PID-5.1, .2
    visit: str  # PV1-19.1


def person_in(head: bytes) -> Person:
    """Return whom the message that begins so is about, printable. Never raises."""
    if (message := readable(head)) is None:
        return Person("", "", "")
    pid, pv1 = message.first("PID"), message.first("PV1")
    name = ", ".join(filter(None, (pid.get(5), pid.get(5, 2)))) if pid else ""
    values = (pid.get(3) if pid else "", name, pv1.get(19) if pv1 else "")
    return Person(*(value[:100].translate(VISIBLE) for value in values))


def masked(identifier: str) -> str:
    """Return enough of an identifier to tell neighbours in a list apart."""
    return f"•••{identifier[-2:]}" if len(identifier) >= TELLING else "•••" if identifier else ""


def add_patient_hints(messages: Iterable[InboundMessage]) -> None:
    """Give each message its `patient_hint`, the masked identifier: one query, reading the beginnings only."""
    by_pk = {message.pk: message for message in messages}
    heads = InboundMessage.objects.filter(pk__in=by_pk).order_by()
    for pk, head in heads.values_list("pk", Substr("raw", 1, HEAD)):
        by_pk[pk].patient_hint = masked(person_in(bytes(head)).identifier)


@transaction.atomic
def reveal(request: HttpRequest, messages: QuerySet[InboundMessage], back: str) -> HttpResponse:
    """Show the patients of the newest SHOWN of these messages; an audit event for each of them."""
    chosen = messages.order_by("-pk")[:SHOWN]
    rows = list(chosen.values_list("pk", "message_type", "patient", Substr("raw", 1, HEAD)))
    for pk, _, patient, _ in rows:
        record_reading(request, "message.unmask", pk, patient)
    context = {
        **admin.site.each_context(request),
        "title": "Patients of messages",
        "opts": InboundMessage._meta,
        "rows": [(pk, kind, person_in(bytes(head))) for pk, kind, _, head in rows],
        "limit": SHOWN,
        "back": back,
    }
    return TemplateResponse(request, "admin/interconnect/patients.html", context)
