"""Death at every point of a message's way: nothing lost, nothing twice, nothing out of order."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from redis.exceptions import ConnectionError as RedisConnectionError

from audit.models import AuditEvent
from epicops import keys
from epicops.embedded.server import Server
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from epicops.shutdown import StopFlag
from interconnect.consumer.ownership import owned_queue
from interconnect.consumer.queue import OVERSIZE, InboundQueue
from interconnect.models import Batch, DeadLetter, InboundMessage, Revision
from sessions_app.models import User
from tests.builders import adt, drain, oru, push
from tests.messages import DEADLY
from tests.processes import ManageProcess
from vitals.models import Movement, Observation

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

BAD = adt("A01", "2").replace(b"\rPID", b"\rZID")
MESSAGES = (adt("A01"), oru(), BAD, oru(minutes=2), adt("A03", minutes=5))
Dying = Callable[..., ManageProcess]


@pytest.fixture
def dying_worker(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Dying]:
    """Start a worker in which something dies: `dying_worker("after the claim", server)`."""
    started: list[ManageProcess] = []

    def start(point: str, server: Server | None = None) -> ManageProcess:
        what = (point, str(server._process.pid)) if server and server._process else (point,)
        output = tmp_path / f"dying-{len(started)}"
        started.append(ManageProcess(what, process_environment, output, script="tests/dying_worker.py"))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def assert_applied_once() -> None:
    """MESSAGES, and nothing else, were applied once and in order."""
    pushed = [raw.split(b"|")[9].decode() for raw in MESSAGES]
    assert list(InboundMessage.objects.order_by("id").values_list("control_id", flat=True)) == pushed
    assert AuditEvent.objects.filter(code__startswith="message.").count() == len(MESSAGES)
    assert (Movement.objects.count(), Observation.objects.count(), DeadLetter.objects.count()) == (2, 2, 1)
    assert not queue_client().exists(keys.QUEUE, keys.INFLIGHT, keys.TAKEOVERS, keys.CANARY)
    assert {json.loads(entry)["id"] for entry in queue_client().lrange(keys.DLQ, 0, -1)} == {
        DeadLetter.objects.get().pk
    }


@pytest.mark.parametrize(
    "point",
    [
        "before the claim",
        "after the claim",
        "in the transaction",
        "before the commit",
        "after the commit",
        "before the acknowledgement",
        "after the acknowledgement",
        "before the outbox",
        "after the outbox's push",
    ],
)
def test_a_worker_killed(point: str, dying_worker: Dying) -> None:
    push(*MESSAGES)
    assert dying_worker(point).wait(30) == -9
    drain()

    assert_applied_once()


@pytest.mark.parametrize("point", ["in the transaction", "before the acknowledgement"])
def test_a_worker_killed_over_what_is_too_large_to_be_read(point: str, dying_worker: Dying) -> None:
    large = BAD + b"x" * OVERSIZE
    push(large)
    assert dying_worker(point).wait(30) == -9
    drain()

    assert bytes(InboundMessage.objects.get().raw) == large
    assert not queue_client().exists(keys.INFLIGHT, keys.SLICES)


@pytest.mark.parametrize("point", ["before the claim", "after the claim", "before the acknowledgement"])
def test_redis_killed(point: str, stack: Stack, dying_worker: Dying) -> None:
    push(*MESSAGES)
    worker = dying_worker(point, stack.queue)
    restart_when_killed(stack.queue)

    assert worker.wait(30) == 0
    assert_applied_once()


@pytest.mark.parametrize("point", ["in the transaction", "before the commit", "after the commit, unheard"])
def test_postgresql_killed(point: str, stack: Stack, dying_worker: Dying) -> None:
    push(*MESSAGES)
    worker = dying_worker(point, stack.postgres)
    connection.close()
    restart_when_killed(stack.postgres)

    assert worker.wait(30) == 0
    assert_applied_once()


def restart_when_killed(server: Server) -> None:
    assert server._process is not None
    server._process.wait(30)
    server.start()


def test_an_acknowledged_push_survives_the_death_of_redis(stack: Stack) -> None:
    push(*MESSAGES)
    stack.queue.kill()
    stack.queue.start()

    drain()
    assert_applied_once()


def test_a_push_without_an_answer_is_the_senders_to_repeat(stack: Stack) -> None:
    stack.queue.kill()

    with pytest.raises(RedisConnectionError):
        push(oru())


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_claim_that_is_half_on_disk_is_none(share: float, stack: Stack) -> None:
    push(*MESSAGES)
    queue = InboundQueue(queue_client(), "owner")
    queue.take_over()
    file: Path = next((stack.queue.data / "appendonlydir").glob("*.incr.aof"))
    before = file.stat().st_size
    queue.claim(10)
    claimed = file.stat().st_size - before
    stack.queue.kill()
    with file.open("r+b") as aof:
        aof.truncate(before + int(share * claimed))
    stack.queue.start()

    assert queue_client().llen(keys.QUEUE) == len(MESSAGES)
    assert not queue_client().exists(keys.INFLIGHT)
    drain()
    assert_applied_once()


@pytest.mark.parametrize("point", ["in the transaction", "after the commit"])
def test_a_replay_is_applied_once_whenever_the_worker_dies(point: str, dying_worker: Dying) -> None:
    push(BAD)
    drain()
    DeadLetter.objects.request_replay(by=User.objects.create_user("olu", role=User.Role.OPERATOR))
    assert dying_worker(point).wait(30) == -9
    drain()

    assert InboundMessage.objects.exclude(replay_of=None).count() == 1


def test_a_commit_is_durable_whatever_the_database_defaults_to() -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    connection.close()
    try:
        with owned_queue(queue_client(), StopFlag()), connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            assert cursor.fetchone() == ("on",)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{name}" RESET synchronous_commit')


def test_a_message_that_kills_workers_is_a_dead_letter_and_the_rest_of_its_claim_goes_on(dying_worker: Dying) -> None:
    push(adt("A01"), oru(), DEADLY, oru(minutes=2))
    deaths = 0
    while deaths < 9 and dying_worker("reading the deadly message").wait(30) != 0:
        deaths += 1

    # One ahead, beside the claim before: when that comes back nothing is read beside it. Then two until the message's
    # own claim is suspicious, three until it is known.
    assert deaths == 6
    assert [m.status for m in InboundMessage.objects.order_by("id")] == ["applied", "applied", "dead", "applied"]
    assert DeadLetter.objects.get().error_class == "worker-crash"
    assert Batch.objects.count() == 2
    assert not queue_client().exists(keys.CANARY, keys.TAKEOVERS)


def test_the_replay_of_what_killed_workers_kills_one_at_most_and_holds_nothing_up(dying_worker: Dying) -> None:
    push(BAD, BAD.replace(b"V2", b"V3"))
    drain()
    letters = DeadLetter.objects.order_by("id")
    olu = User.objects.create_user("olu", role=User.Role.OPERATOR)
    letters.filter(pk=letters[0].pk).update(error_class="worker-crash")
    Revision.objects.create(message=letters[0].message, raw=DEADLY, reason="looked well", edited_by=olu)
    DeadLetter.objects.request_replay(by=olu)
    deaths = 0
    while deaths < 5 and dying_worker("reading the deadly message").wait(30) != 0:
        deaths += 1

    assert deaths == 1
    assert [(letter.state, letter.error_class) for letter in letters[2:]] == [
        ("open", "worker-crash"),
        ("open", "missing-segment"),
    ]
    assert not queue_client().exists(keys.CANARY_REPLAYS)
