"""Let what is paused go on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from epicops.answering import person_answering
from interconnect.consumer.pausing import resume
from interconnect.models import Pause


class Command(BaseCommand):
    help = "Resume pauses by number, or list those in force. Held messages are applied before newer ones of their kind."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py resume_interconnect 7 --by susan"
        parser.add_argument("number", nargs="*", type=int, help="of a pause; none lists them")
        parser.add_argument("--all", action="store_true", dest="every", help="resume everything")
        parser.add_argument("--by", help="user name of the person who answers for it")

    def handle(self, *, number: list[int], every: bool, by: str | None, **options: Any) -> None:
        in_force = Pause.objects.in_force()
        if not number and not every:
            for pause in in_force.select_related("paused_by"):
                self.stdout.write(f"{pause}: {pause.reason} ({pause.paused_by}, until {pause.until or 'resumed'})")
            return
        person = person_answering(by, "interconnect.resume_pause", "user who may resume")
        meant = in_force if every else in_force.filter(pk__in=number)
        self.stdout.write(f"{resume(meant, by=person)} resumed")
