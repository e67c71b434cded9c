"""Tokens of HTTP senders."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from interconnect.models import HttpSender


class Command(BaseCommand):
    help = "Give a system a token to POST messages to /interconnect/hl7 with, or take it away."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py http_sender lab-north"
        parser.add_argument("name", help="of the sender; for a known one a new token replaces the old")
        parser.add_argument("--disable", action="store_true", help="refuse this sender from now on")

    def handle(self, *, name: str, disable: bool, **options: Any) -> None:
        if not disable:
            try:
                HttpSender(name=name).clean_fields(exclude={"token_sha256"})
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from None
            _, token = HttpSender.issue(name)
            self.stdout.write(token)
        elif not HttpSender.objects.filter(name=name).update(is_active=False):
            raise CommandError(f"no sender is named {name}")
