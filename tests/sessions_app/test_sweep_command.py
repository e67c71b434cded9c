"""The sweeper as a process."""

import signal
from collections.abc import Callable

import pytest
from django.db import connections

from epicops.embedded.stack import Stack
from tests.processes import ManageProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_it_goes_on_after_postgresql_was_away_and_stops_when_told(
    manage: Callable[..., ManageProcess], stack: Stack
) -> None:
    sweeper = manage("sweep_sessions", "--every", "0.5")
    connections.close_all()
    stack.postgres.kill()
    sweeper.wait_for("sweep given up")
    stack.postgres.start()

    sweeper.signal(signal.SIGTERM)

    assert sweeper.wait() == 0
