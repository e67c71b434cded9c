"""Retention: remove the bodies of dead letters that were settled long ago."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from epicops.answering import person_answering
from epicops.arguments import DAYS
from interconnect.dlq.retention import forget, forgettable


class Command(BaseCommand):
    help = "Remove the bodies of settled dead letters; the rows stay. Without --by it only counts. Not reversible."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py forget_dead_letters --older-than 90 --by susan"
        parser.add_argument("--older-than", type=DAYS, required=True, metavar="DAYS", help="days since they failed")
        parser.add_argument("--by", help="user name of the supervisor who answers for it")

    def handle(self, *, older_than: int, by: str | None, **options: Any) -> None:
        letters = forgettable(timedelta(days=older_than))
        if by is None:
            self.stdout.write(f"{letters.count():,} would lose their bodies; name a supervisor with --by to do it")
            return
        person = person_answering(by, "interconnect.restore_deadletter", "supervisor")
        self.stdout.write(f"{forget(letters, by=person):,} bodies removed")
