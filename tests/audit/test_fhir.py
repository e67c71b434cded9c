"""Events as FHIR resources say whether they were done."""

import pytest

from audit.fhir import resource
from audit.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("session.login", "0"),
        ("session.login_failed", "4"),
        ("session.unlock_failed", "4"),
        ("session.locked_out", "4"),
        ("session.end_refused", "4"),
        ("session.refused_cookie", "4"),
        ("break_glass.refused", "4"),
        ("break_glass.open", "0"),
    ],
)
def test_what_was_refused_is_no_success(code: str, outcome: str) -> None:
    event = AuditEvent.objects.record("E", code, actor="anonymous")

    assert resource(event)["outcome"] == outcome
