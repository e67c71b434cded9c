"""Retention of refused frames."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent
from epicops.answering import person_answering
from epicops.arguments import DAYS
from interconnect.models import RefusedFrame

SLICE = 5_000  # rows of one transaction


class Command(BaseCommand):
    help = (
        "Delete refused frames older than so many days; nothing else ever does. Each slice is an audit event. The "
        "senders' figures stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py prune_refused --older-than 90 --by susan --dry-run"
        parser.add_argument("--older-than", type=DAYS, required=True, metavar="DAYS", help="days since they came")
        parser.add_argument("--by", required=True, metavar="NAME", help="user name of the person who answers for it")
        parser.add_argument("--dry-run", action="store_true", help="count what would be deleted, and end")

    def handle(self, *, older_than: int, by: str, dry_run: bool, **options: Any) -> None:
        person = person_answering(by, "interconnect.delete_refusedframe", "user who may delete refused frames")
        old = RefusedFrame.objects.filter(received_at__lt=timezone.now() - timedelta(days=older_than)).order_by("id")
        if dry_run:
            self.stdout.write(f"{old.count()} would be deleted")
            return
        total = 0
        while pks := list(old.values_list("pk", flat=True)[:SLICE]):
            total += _delete(pks, older_than, person)
        self.stdout.write(f"{total} deleted")


def _delete(pks: list[int], days: int, person: AbstractBaseUser) -> int:
    with transaction.atomic():
        number, _ = RefusedFrame.objects.filter(pk__in=pks).delete()
        AuditEvent.objects.record(
            AuditEvent.Action.DELETE,
            "refusedframe.prune",
            actor=person,
            object_type="refusedframe",
            detail={"older_than_days": days, "deleted": number, "from": pks[0], "to": pks[-1]},
        )
    return number
