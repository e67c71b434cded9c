"""Stop the queue, a message type or a sending facility."""

import time
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from epicops.answering import person_answering
from epicops.arguments import not_negative, positive
from epicops.redis_client import queue_client
from interconnect.consumer.pausing import is_drained, pause
from interconnect.models import Pause

POLL = 0.1  # seconds


class Command(BaseCommand):
    help = "Pause the queue, a message type or a sending facility. Resume with resume_interconnect."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py pause_interconnect type 'ORU^R01' --reason 'lab upgrade' --by susan"
        parser.add_argument("scope", choices=[scope for scope, _ in Pause.NAMED_SCOPES], help="what waits")
        parser.add_argument("value", nargs="?", default="", help="ORU^R01, ORU, or a facility as in MSH-4.1")
        parser.add_argument("--reason", required=True, help="never patient data")
        parser.add_argument("--by", required=True, help="user name of the person who answers for it")
        parser.add_argument("--minutes", type=positive, help="end it by itself")
        parser.add_argument(
            "--drain",
            type=not_negative,
            metavar="SECONDS",
            help="with queue: return once all that was claimed is committed; exit 1 if that takes longer",
        )

    def handle(self, *, scope: str, value: str, reason: str, by: str, drain: float | None, **options: Any) -> None:
        if drain is not None and scope != Pause.Scope.QUEUE:
            raise CommandError("--drain goes with queue")
        person = person_answering(by, "interconnect.add_pause", "user who may pause")
        until = timezone.now() + timedelta(minutes=options["minutes"]) if options["minutes"] else None
        try:
            made = pause(Pause(scope=scope, value=value, reason=reason, until=until), by=person)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stderr.write(f"{made}: end it with resume_interconnect {made.pk}")
        self.stdout.write(str(made.pk))
        if drain is not None:
            self._wait(drain)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_drained(queue_client()):
            if time.monotonic() > deadline:
                raise CommandError("a claim is still in flight, or no worker runs that could commit it")
            time.sleep(POLL)
