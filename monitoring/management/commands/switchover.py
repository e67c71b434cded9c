"""A planned change of primary."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from epicops.redis_config import ROLES
from epicops.switchover import SwitchoverError, switchover


class Command(BaseCommand):
    help = "Make a replica the primary of a role without losing a write. Run it with the addresses of the user admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py switchover queue"
        parser.add_argument("role", choices=list(ROLES), help="whose primary changes")

    def handle(self, *, role: str, **options: Any) -> None:
        try:
            old, new = switchover(getattr(settings, f"EPICOPS_REDIS_{role.upper()}_URL"))
        except (SwitchoverError, RedisError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{role}: primary was {old[0]}:{old[1]}, is {new[0]}:{new[1]}")
