"""Logs are for operators: one line an event, and nothing of a patient in them."""

import io
import json
import logging

import pytest

from epicops.logs import logging_config


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(logging.getLogger().handlers[-1], "stream", stream, raising=False)
    logging_config(logging.INFO)
    handler = logging.getLogger().handlers[-1]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    return stream


def test_an_event_is_one_json_line_whatever_it_holds(logged: io.StringIO) -> None:
    logging.getLogger("epicops").info("a\nb", extra={"peer": "x\r\ny\u2028z"})

    (line,) = logged.getvalue().splitlines()
    assert json.loads(line)["event"] == "a\nb"


def test_a_traceback_does_not_quote_variables(logged: io.StringIO) -> None:
    def fail(name: str) -> None:
        raise RuntimeError

    try:
        fail("OKAFOR^AMAKA")
    except RuntimeError:
        logging.getLogger("epicops").exception("failed")

    assert "RuntimeError" in logged.getvalue()
    assert "OKAFOR^AMAKA" not in logged.getvalue().replace('fail(\\"OKAFOR^AMAKA\\")', "")
