"""`GET /hyperspace/api/beds/<bed>/vitals`: a bed's latest vitals as JSON, for dashboards that ask again and again.

Nothing but the session is asked on each request. Who may see what, and who is where, is looked up again after
`RECHECKED`; that a patient was seen is recorded once a minute for each session.
"""

from typing import Final, NamedTuple

from django.contrib.auth.models import AbstractUser
from django.db import connection
from django.http import Http404, JsonResponse
from django.views.decorators.http import require_safe

from epicops.kept import Kept
from epicops.passive import passive
from epicops.portal import HYPERSPACE, PortalRequest, emergency, portal_required
from vitals.access import record_bed, units_of
from vitals.cache import read_beds
from vitals.documents import Reading
from vitals.models import Bed

RECHECKED: Final = 2.0  # seconds; as often as a board polls
ONE_VIEW: Final = 60.0  # seconds


class Place(NamedTuple):
    """A bed, and the visit and patient who are in it."""

    bed: Bed
    visit_id: int | None
    patient_id: int | None


class Grant(NamedTuple):
    """Who somebody is, and the ids of the wards that are open to them."""

    user: AbstractUser
    units: frozenset[int]


_grants: Kept[tuple[str | None, str], Grant] = Kept(RECHECKED)
_hospital: Kept[None, dict[str, Place]] = Kept(RECHECKED)
_views: Kept[tuple[str | None, str, int, int | None], bool] = Kept(ONE_VIEW)


@passive
@portal_required(HYPERSPACE, by_session=True)
@require_safe
def bed_vitals(request: PortalRequest, key: str) -> JsonResponse:
    """Answer with a bed's readings and where they came from; 404 for a bed that is not this person's to see."""
    place = open_place(request, key)
    vitals = read_beds([place.bed], {place.bed.pk: place.visit_id} if place.visit_id else None)[place.bed.pk]
    is_theirs = vitals.encounter == place.visit_id
    return JsonResponse(
        {
            "bed": key,
            "encounter": place.visit_id,
            "source": vitals.source,
            "age_seconds": round(vitals.age, 3),
            "vitals": {reading.vital: as_json(reading) for reading in vitals.readings if is_theirs},
        }
    )


def open_place(request: PortalRequest, key: str) -> Place:
    """Return the bed as it was at most `RECHECKED` ago, or 404; record who is about to be seen."""
    who = (request.session.session_key, emergency(request))
    grant = _grants.get(who, lambda: _grant(request))
    place = _hospital.get(None, read_places).get(key)
    if place is None or place.bed.unit_id not in grant.units:
        raise Http404

    def record() -> bool:
        request.user = grant.user
        record_bed(request, place.bed.pk, [place.patient_id] if place.patient_id else [])
        return True

    _views.get((*who, place.bed.pk, place.patient_id), record)
    return place


def _grant(request: PortalRequest) -> Grant:
    if not request.user.is_authenticated:  # the session outlived the account
        raise Http404
    return Grant(request.user, frozenset(units_of(request).values_list("pk", flat=True)))


def as_json(reading: Reading) -> dict[str, str | bool]:
    return {
        "value": reading.text,
        "unit": reading.unit,
        "at": reading.observed_at.isoformat(),
        "is_verified": reading.is_verified,
    }


def read_places() -> dict[str, Place]:
    """Return every bed by its name, with its latest arrival. One query."""
    with connection.cursor() as cursor:
        cursor.execute(PLACES)
        return {
            key: Place(Bed(pk=pk, key=key, unit_id=unit_id), visit_id, patient_id)
            for pk, key, unit_id, visit_id, patient_id in cursor.fetchall()
        }


PLACES: Final = """
SELECT DISTINCT ON (b.id) b.id, b.key, b.unit_id, v.id, v.patient_id FROM vitals_bed b
LEFT JOIN vitals_stay s ON s.bed_id = b.id AND s.to_at IS NULL
LEFT JOIN vitals_visit v ON v.id = s.visit_id
ORDER BY b.id, s.from_at DESC, s.id DESC
"""
