"""The status strip: right when all is well, and still there when something is down."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from redis.exceptions import ResponseError

from epicops import keys
from epicops.away import away
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from interconnect.consumer.heartbeat import beat, programs
from monitoring.status import status
from tests.builders import adt, at, drain, oru, push
from tests.operators import olu


@pytest.mark.django_db(transaction=True)
def test_the_strip_counts_what_is_where() -> None:
    push(adt("A01"), adt("A60"), adt("A01", "2", bed=""), oru())
    drain()
    push(oru(minutes=5), oru(minutes=6))

    now = status()

    assert now.queue
    assert (now.queue.waiting, now.queue.inflight, now.queue.dlq) == (2, 0, 1)
    assert now.queue.oldest_sent_at == datetime.strptime(at(5), "%Y%m%d%H%M%S%z")
    assert now.totals
    assert (now.totals.applied, now.totals.skipped, now.totals.dead, now.totals.open_dead_letters) == (2, 1, 1, 1)
    assert now.totals.last_batch_at
    assert (datetime.now(UTC) - now.totals.last_batch_at).total_seconds() < 60
    assert all(now.servers.values())


@pytest.mark.django_db
@pytest.mark.parametrize("oldest", [b"", b"not HL7", b"\xff" * 600, oru().replace(at(1).encode(), b"soon")])
def test_an_oldest_message_without_a_time_is_no_error(oldest: bytes) -> None:
    push(oldest)

    now = status()

    assert now.queue
    assert (now.queue.waiting, now.queue.oldest_sent_at) == (1, None)


@pytest.mark.django_db
def test_a_queue_that_somebody_made_another_type_is_down() -> None:
    queue_client().set(keys.QUEUE, "hello")

    with pytest.raises(ResponseError) as refused:
        queue_client().lpush(keys.QUEUE, oru())

    assert [server for server, is_up in status().servers.items() if not is_up] == ["Redis queue"]
    assert away(refused.value) == "Redis refuses: WRONGTYPE"


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize(("part", "name"), [("queue", "Redis queue"), ("cache", "Redis cache")])
def test_a_server_that_is_down_is_shown_down_and_the_rest_goes_on(
    stack: Stack, client: Client, part: str, name: str
) -> None:
    client.force_login(olu())
    getattr(stack, part).kill()

    answer = client.get(reverse("admin:index"))

    servers = answer.context["status"].servers
    assert answer.status_code == 200
    assert [server for server, is_up in servers.items() if not is_up] == [name]
    assert f'{name} <span class="state state-down">down</span>' in answer.content.decode()


@pytest.mark.parametrize("at", ["soon", "", "99999999999", b"\xff"])
def test_a_sign_of_life_that_is_none_of_ours_is_forgotten(at: str) -> None:
    beat(queue_client(), "worker here")
    queue_client().hset(keys.ALIVE, "worker elsewhere", at)

    assert [program.name for program in programs(queue_client())] == ["here"]
    assert not queue_client().hexists(keys.ALIVE, "worker elsewhere")
