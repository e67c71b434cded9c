"""Audit events as FHIR R4 AuditEvent resources, in the shape IHE's Basic Audit Log Patterns (BALP) ask for."""

from typing import Any, Final

from audit.models import AuditEvent

SYSTEM: Final = "urn:epicops"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
TYPES: Final = {  # DICOM PS3.16, CID 400, by the first part of our code
    "session": ("110114", "User Authentication"),
    "audit": ("110101", "Audit Log Used"),
}
RECORD: Final = ("110110", "Patient Record")
ACTIVITY: Final = ("110100", "Application Activity")
IP_ADDRESS: Final = "2"  # network-type
PERSON, SYSTEM_OBJECT = "1", "2"  # audit-entity-type
PATIENT, DOMAIN_RESOURCE = "1", "4"  # object-role
FAILED: Final = ("_failed", "refused", ".refused_cookie", ".locked_out")  # how the code of what was not done ends


def resource(event: AuditEvent) -> dict[str, Any]:
    """Return the event as a resource; it names people and things by our own ids, as the trail does."""
    code, display = event_type(event)
    return {
        "resourceType": "AuditEvent",
        "id": f"{event.stream_id}-{event.seq}",
        "type": {"system": DCM, "code": code, "display": display},
        "subtype": [{"system": f"{SYSTEM}:audit-code", "code": event.code}],
        "action": event.action,
        "recorded": event.recorded_at.isoformat(),
        "outcome": "4" if event.code.endswith(FAILED) else "0",
        "agent": [agent(event)],
        "source": {
            "observer": {"display": "epicops"},
            "type": [{"system": f"{TERMINOLOGY}/security-source-type", "code": "4", "display": "Application Server"}],
        },
        **({"entity": about} if (about := entities(event)) else {}),  # FHIR has no empty arrays
    }


def event_type(event: AuditEvent) -> tuple[str, str]:
    if known := TYPES.get(event.code.partition(".")[0]):
        return known
    return RECORD if event.patient_id or "patients" in event.detail else ACTIVITY


def agent(event: AuditEvent) -> dict[str, Any]:
    """Return who did it: a person by user name and id, a machine by its name."""
    is_person = event.actor_id is not None
    role = "humanuser" if is_person else "dataprocessor"
    found: dict[str, Any] = {
        "type": {"coding": [{"system": f"{TERMINOLOGY}/extra-security-role-type", "code": role}]},
        "who": {"identifier": {"system": f"{SYSTEM}:actor", "value": event.actor}},
        "requestor": is_person,
    }
    if is_person:
        found["altId"] = str(event.actor_id)
    if event.source_ip:
        found["network"] = {"address": event.source_ip, "type": IP_ADDRESS}
    return found


def entities(event: AuditEvent) -> list[dict[str, Any]]:
    """Return whom and what it was about, with our detail as name and value."""
    patients = [event.patient_id] if event.patient_id else event.detail.get("patients", ())
    found = [entity({"reference": f"Patient/{pk}"}, PERSON, PATIENT) for pk in patients]
    if event.object_type:
        what = {"identifier": {"system": f"{SYSTEM}:{event.object_type}", "value": event.object_id or "-"}}
        found.append(entity(what, SYSTEM_OBJECT, DOMAIN_RESOURCE))
    detail = [{"type": name, "valueString": str(value)} for name, value in sorted(event.detail.items()) if value]
    if detail and found:
        found[-1]["detail"] = detail
    return found


def entity(what: dict[str, Any], kind: str, role: str) -> dict[str, Any]:
    return {
        "what": what,
        "type": {"system": f"{TERMINOLOGY}/audit-entity-type", "code": kind},
        "role": {"system": f"{TERMINOLOGY}/object-role", "code": role},
    }
