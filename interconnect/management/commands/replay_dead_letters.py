"""Replay many dead letters under supervision: canary first, at a rate, stopping by itself when too many fail again."""

import json
import time
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count
from rich.progress import Progress

from epicops.answering import person_answering
from epicops.shutdown import StopFlag, stop_on_signal
from interconnect.dlq.redrive import report, start, turn
from interconnect.finding.search import read
from interconnect.models import DeadLetter, DeadLetterQuerySet, Redrive, RedriveItem, Search

LOOK = 0.2  # seconds between two looks at how far it is
FINISHED = (RedriveItem.State.RESOLVED, RedriveItem.State.FAILED_AGAIN, RedriveItem.State.LEFT_OUT)


class Command(BaseCommand):
    help = (
        "Replay the open dead letters that a search finds. The worker does it; this starts it and shows how far it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py replay_dead_letters --where 'error:missing-field age:<2h' --by susan"
        parser.add_argument("--where", help="search words as in the console, for example 'error:missing-field age:<2h'")
        parser.add_argument("--by", help="user name of the person who answers for it")
        parser.add_argument("--dry-run", action="store_true", help="count what is meant, by cause, and end")
        parser.add_argument("--rate", type=int, default=50, help="messages a second, at most (default: %(default)s)")
        parser.add_argument("--canary", type=int, default=10, help="so many first (default: %(default)s)")
        parser.add_argument("--stop-percent", type=int, default=20, help="share that may fail again (default: 20)")
        for verb in ("resume", "pause", "cancel"):
            parser.add_argument(f"--{verb}", type=int, metavar="ID", help=f"{verb} a redrive that was started before")

    def handle(self, *, where: str | None, by: str | None, dry_run: bool, **options: Any) -> None:
        if dry_run:
            self._count(self._letters(where))
            return
        person = person_answering(by, "interconnect.redrive_deadletter", "user who may redrive dead letters")
        try:
            if (pk := options["pause"]) or (pk := options["cancel"]):
                turn(pk, Redrive.State.PAUSED if options["pause"] else Redrive.State.CANCELLED, by=person)
                return
            if pk := options["resume"]:
                redrive = turn(pk, Redrive.State.RUNNING, by=person)
            else:
                limits = {name: options[name] for name in ("rate", "canary", "stop_percent")}
                redrive = self._start(where, person, limits)
        except (Redrive.DoesNotExist, ValueError) as error:
            raise CommandError(str(error)) from None
        self.stderr.write(f"{redrive}: the worker goes on with it should this end early")
        with stop_on_signal() as stop:
            self._follow(redrive, stop)

    def _start(self, where: str | None, person: AbstractBaseUser, limits: dict[str, int]) -> Redrive:
        letters = self._letters(where)
        redrive = Redrive(started_by_id=person.pk, **limits)
        try:
            redrive.clean_fields(exclude=["selection"])
        except ValidationError as error:
            problems = (f"{name}: {words[0]}" for name, words in error.message_dict.items())
            raise CommandError("; ".join(problems)) from None
        search = Search.objects.create(text=where or "", searched_by_id=person.pk)
        redrive.selection = f"search={search.pk}"
        return start(redrive, letters)

    def _letters(self, where: str | None) -> DeadLetterQuerySet:
        if not where:
            raise CommandError("--where is missing")
        try:
            query = read(where)
        except ValueError as error:
            raise CommandError(str(error)) from None
        return DeadLetter.objects.open().filter(query.condition(prefix="message__", letter=""))

    def _count(self, letters: DeadLetterQuerySet) -> None:
        causes = letters.order_by().values_list("error_class", "error_path").annotate(number=Count("pk"))
        for error, where, number in causes.order_by("-number"):
            self.stdout.write(f"{number:>9,}  {error} {where}")
        self.stdout.write(f"{letters.count():>9,}  in all")

    def _follow(self, redrive: Redrive, stop: StopFlag) -> None:
        """Show how far it is until it has ended or somebody paused it; asked to stop, leave it to the worker."""
        with Progress(transient=True) as progress:
            bar = progress.add_task(str(redrive), total=redrive.items.count())
            while not stop.requested and redrive.state == Redrive.State.RUNNING:
                time.sleep(LOOK)
                redrive.refresh_from_db()
                outcome = report(redrive)
                progress.update(bar, completed=sum(outcome[state] for state in FINISHED))
        outcome = report(redrive)
        counts = {state.value: outcome[state] for state in RedriveItem.State}
        self.stdout.write(json.dumps({"redrive": redrive.pk, "state": redrive.state, **counts}))
        if redrive.state == Redrive.State.STOPPED:
            raise CommandError("Stopped: too many failed again")
