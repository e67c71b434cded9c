"""The same work as tasks of RQ, Celery and Dramatiq: `python -m benchmarks.peers NAME` is that framework's worker.

A task parses with python-hl7 and saves one InboundMessage. It has no effects on patients and no audit event.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "ERROR")

import django

django.setup()

import celery
import dramatiq
import hl7
import rq
from django.conf import settings
from dramatiq.brokers.redis import RedisBroker
from dramatiq.cli import main as dramatiq_main
from dramatiq.cli import make_argument_parser

from epicops.redis_client import queue_client
from interconnect.models import InboundMessage

Tasks = Sequence[tuple[str, int, str]]  # batch id, ordinal, message


def store(batch: str, ordinal: int, text: str) -> None:
    """Parse one message and save its row."""
    message = hl7.parse(text)
    header = message.segment("MSH")
    InboundMessage(
        batch_id=batch,
        ordinal=ordinal,
        status=InboundMessage.Status.APPLIED,
        message_type=f"{header[9][0][0]}^{header[9][0][1]}",
        control_id=str(header[10]),
        sending_application=str(header[3]),
        sending_facility=str(header[4]),
        raw=text.encode(),
        sha256=hashlib.sha256(text.encode()).digest(),
    ).save(force_insert=True)


URL = settings.EPICOPS_REDIS_QUEUE_URL
app = celery.Celery("peers", broker=URL.replace("unix://", "redis+socket://"), set_as_current=False)
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=100)
celery_store = app.task(name="store")(store)
dramatiq.set_broker(RedisBroker(url=URL))
dramatiq_store = dramatiq.actor(actor_name="store")(store)


def enqueue_rq(tasks: Tasks) -> None:
    queue = rq.Queue(connection=queue_client())
    queue.enqueue_many([rq.Queue.prepare_data("benchmarks.peers.store", task, result_ttl=0) for task in tasks])


def enqueue_celery(tasks: Tasks) -> None:
    for task in tasks:
        celery_store.delay(*task)


def enqueue_dramatiq(tasks: Tasks) -> None:
    for task in tasks:
        dramatiq_store.send(*task)


PEERS: dict[str, Callable[[Tasks], None]] = {
    "RQ SimpleWorker": enqueue_rq,
    "Celery acks_late": enqueue_celery,
    "Dramatiq": enqueue_dramatiq,
}


def work(name: str) -> None:
    """Be that framework's worker until killed."""
    if name == "RQ SimpleWorker":
        rq.SimpleWorker([rq.Queue(connection=queue_client())]).work(logging_level="ERROR")
    elif name == "Celery acks_late":
        app.worker_main(["worker", "--pool=solo", "--loglevel=ERROR", "--without-gossip", "--without-mingle"])
    else:
        arguments = ["benchmarks.peers", "--processes=1", "--threads=8"]
        dramatiq_main(make_argument_parser().parse_args(arguments))


if __name__ == "__main__":
    work(sys.argv[1])
