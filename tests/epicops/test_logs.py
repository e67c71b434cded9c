"""Logs are for operators: one line an event, and nothing of a patient in them."""

import io
import json
import logging
import re
import subprocess
import sys

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from structlog.contextvars import bound_contextvars

from epicops.logs import logging_config, take_over
from epicops.middleware import RequestIdMiddleware
from interconnect.consumer.delivery import Delivery, unexpected


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


def test_an_exception_is_named_but_not_quoted(logged: io.StringIO) -> None:
    try:
        int("OKAFOR^AMAKA".lower())
    except ValueError:
        logging.getLogger("epicops").exception("failed", extra={"request": "<GET '/?q=okafor'>"})

    assert "ValueError" in logged.getvalue()
    assert "okafor" not in logged.getvalue()


@pytest.mark.parametrize("where", ["{}()", "import threading; t = threading.Thread(target={}); t.start(); t.join()"])
def test_what_ends_a_command_or_a_thread_of_it_is_named_but_not_quoted(where: str) -> None:
    fails = where.format("(lambda: int('OKA' + 'FOR'))")
    ended = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", fails],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    (line,) = ended.stderr.splitlines()
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"
    assert "OKAFOR" not in line


def test_what_gunicorn_says_of_a_request_has_neither_its_query_nor_what_failed(logged: io.StringIO) -> None:
    gunicorn = logging.getLogger("gunicorn.error")
    gunicorn.addHandler(logging.StreamHandler())
    gunicorn.propagate = False
    take_over("gunicorn.error")
    try:
        int("OKAFOR")
    except ValueError:
        gunicorn.exception("Error handling request %s %s", "GET", "/hyperspace/?q=OKAFOR")

    line = json.loads(logged.getvalue())
    assert line["event"] == "Error handling request GET /hyperspace/"
    assert "OKAFOR" not in str(line)
    assert not gunicorn.handlers


def test_a_request_and_what_it_logs_have_one_id(logged: io.StringIO) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        logging.getLogger("epicops").warning("seen")
        return HttpResponse()

    handler = RequestIdMiddleware(view)
    ids = [handler(RequestFactory().get("/", HTTP_X_REQUEST_ID=given))["X-Request-ID"] for given in ("7f3a" * 8, "x y")]

    assert ids[0] == "7f3a" * 8
    assert re.fullmatch(r"[0-9a-f]{32}", ids[1])
    assert [json.loads(line)["request_id"] for line in logged.getvalue().splitlines()] == ids


def failure() -> Exception:
    try:
        int("OKAFOR")
    except ValueError as error:
        return error
    raise AssertionError


def test_a_message_that_fails_is_named_by_batch_and_ordinal(logged: io.StringIO) -> None:
    with bound_contextvars(worker="host:1", batch="0198"):
        Delivery(3, b"").die(unexpected(failure(), 3))

    line = json.loads(logged.getvalue())
    assert (line["worker"], line["batch"], line["ordinal"], "OKAFOR" in str(line)) == ("host:1", "0198", 3, False)
