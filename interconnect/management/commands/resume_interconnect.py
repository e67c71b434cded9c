"""Let what is paused go on."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from interconnect.consumer.pausing import resume
from interconnect.models import Pause


class Command(BaseCommand):
    help = "Resume pauses by number, or list those in force. Held messages are applied before newer ones of their kind."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", nargs="*", type=int)
        parser.add_argument("--all", action="store_true", dest="every", help="resume everything")
        parser.add_argument("--by", help="user name of the person who answers for it")

    def handle(self, *, number: list[int], every: bool, by: str | None, **options: Any) -> None:
        in_force = Pause.objects.in_force()
        if not number and not every:
            for pause in in_force.select_related("paused_by"):
                self.stdout.write(f"{pause}: {pause.reason} ({pause.paused_by}, until {pause.until or 'resumed'})")
            return
        person = get_user_model()._default_manager.filter(username=by, is_active=True).first()  # noqa: SLF001
        if person is None or not person.has_perm("interconnect.resume_pause"):
            raise CommandError("--by is not the name of an active user who may resume")
        meant = in_force if every else in_force.filter(pk__in=number)
        self.stdout.write(f"{resume(meant, by=person)} resumed")
