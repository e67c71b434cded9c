import socket

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from epicops.embedded.stack import Stack
from interconnect.models import HttpSender, RefusedFrame
from interconnect.wire.inbox import InboxMessage
from tests.mllp import message, msa, queued

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/interconnect/hl7"


@pytest.fixture
def token() -> str:
    return HttpSender.issue("lab")[1]


def post(token: str, raw: bytes, content_type: str = "application/hl7-v2") -> tuple[int, bytes]:
    answer = Client().post(URL, raw, content_type, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.content


def test_a_message_is_queued_and_its_acknowledgment_is_the_answer(token: str) -> None:
    status, answer = post(token, message(1))

    assert (status, msa(answer.decode().encode())) == (200, ("AA", "00001"))
    assert queued() == [message(1)]


@pytest.mark.parametrize("wrong", ["", "x", "é"])
def test_nobody_delivers_without_a_token(token: str, wrong: str) -> None:
    assert post(wrong, message(1))[0] == 401
    assert queued() == []


def test_a_disabled_sender_is_refused(token: str) -> None:
    call_command("http_sender", "lab", "--disable")

    assert post(token, message(1))[0] == 401


def test_what_is_no_message_is_refused_and_leaves_a_row(token: str) -> None:
    status, answer = post(token, b"hello")

    row = RefusedFrame.objects.get()
    assert (status, msa(answer)) == (422, ("AR", ""))
    assert (row.peer, bytes(row.head), bytes(row.answer)) == ("HTTP lab", b"hello", answer)


def test_more_than_a_frame_may_hold_is_too_large(token: str) -> None:
    status, answer = post(token, message(1) + bytes(10_500_000))

    assert (status, msa(answer)) == (413, ("AR", "00001"))


def test_a_message_that_was_cut_off_on_its_way_is_no_message(token: str, live_server: LiveServer) -> None:
    host, port = live_server.url.removeprefix("http://").split(":")
    head = f"POST {URL} HTTP/1.0\r\nAuthorization: Bearer {token}\r\nContent-Type: application/hl7-v2\r\n"
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(f"{head}Content-Length: {len(message(1)) + 10}\r\n\r\n".encode() + message(1))
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()

    assert answer.split()[1] == b"503"
    assert b"MSA|AE|00001" in answer
    assert queued() == []


def test_another_content_type_is_not_read(token: str) -> None:
    assert post(token, b"{}", "application/json")[0] == 415


def test_a_sender_that_wants_no_answer_gets_none(token: str) -> None:
    assert post(token, message(1, "|||NE|NE")) == (204, b"")


def test_only_post_is_allowed() -> None:
    assert Client().get(URL).status_code == 405


def test_the_inbox_takes_over_for_http_too(token: str, stack: Stack) -> None:
    stack.queue.kill()

    assert post(token, message(1))[0] == 200
    assert InboxMessage.objects.count() == 1
