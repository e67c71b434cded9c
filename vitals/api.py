"""`GET /hyperspace/api/beds/<bed>/vitals`: a bed's latest vitals as JSON, for dashboards that ask again and again.

Nothing but the session is asked on each request: who may see what, and who is where, is looked up again after
`house.RECHECKED`. Reads that follow each other, of one session at one address, are one view of a patient: recorded when
it begins, and again each EPICOPS_VIEW_REPEATED seconds that it goes on.
"""

import json
from functools import lru_cache
from typing import Final

from django.conf import settings
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from epicops.clock import now
from epicops.kept import Kept
from epicops.passive import passive
from epicops.portal import HYPERSPACE, PortalRequest, emergency, portal_required
from vitals.access import record_bed
from vitals.cache import read_beds
from vitals.documents import Reading
from vitals.grants import kept_grant
from vitals.house import house

PAUSE: Final = 60.0  # seconds between two reads of one view, at most

View = tuple[str | None, str, str, int, int | None]  # session, emergency, address, bed, patient

_views: Final[Kept[View, float]] = Kept(PAUSE)  # when each was recorded


@passive
@portal_required(HYPERSPACE, by_session=True)
@require_safe
def bed_vitals(request: PortalRequest, key: str) -> HttpResponse:
    """Answer with a bed's readings and where they came from; 404 for a bed that is not this person's to see."""
    now_here = house()
    bed = now_here.beds.get(key)
    if bed is None or bed.unit_id not in kept_grant(request).units:
        raise Http404
    occupant = next(iter(now_here.occupants.get(bed.pk, ())), None)
    encounter = occupant.encounter if occupant else None
    _record(request, bed.pk, encounter and encounter.patient_id)
    vitals = read_beds([bed], {bed.pk: encounter} if encounter else None)[bed.pk]
    readings = as_json(vitals.readings if vitals.encounter == encounter else ())
    body = f'{{"bed":"{key}","encounter":{json.dumps(encounter and encounter.visit_id)},"source":"{vitals.source}"'
    return HttpResponse(f'{body},"age_seconds":{vitals.age:.3f},"vitals":{readings}}}', content_type="application/json")


def _record(request: PortalRequest, bed_id: int, patient_id: int | None) -> None:
    """Record that a view of this patient begins, unless this one goes on."""
    view = (request.session.session_key, emergency(request), request.META["REMOTE_ADDR"], bed_id, patient_id)
    recorded = _views.last(view, PAUSE)
    if recorded is None or now() - recorded >= settings.EPICOPS_VIEW_REPEATED:
        record_bed(request, bed_id, [patient_id] if patient_id else [])
        recorded = now()
    _views.put(view, recorded)


@lru_cache(maxsize=2000)
def as_json(readings: tuple[Reading, ...]) -> str:
    """Return readings by vital as JSON; kept by value, since dashboards ask more often than monitors report."""
    return json.dumps(
        {
            reading.vital: {
                "value": reading.text,
                "unit": reading.unit,
                "at": reading.observed_at.isoformat(),
                "is_verified": reading.is_verified,
            }
            for reading in readings
        },
        separators=(",", ":"),
    )
