"""Make messages findable that came before there was a search, or before a field was added to it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from epicops.bulk import copy_rows
from interconnect.consumer.delivery import Delivery, Status
from interconnect.hl7.rejected import MessageRejected
from interconnect.models import InboundMessage, MessageTokens

SLICE = 1000


class Command(BaseCommand):
    help = "Index messages for the search that are not indexed yet; with --all, every message anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", dest="anew", help="also those that are indexed")

    def handle(self, *, anew: bool, **options: Any) -> None:
        number, last = 0, 0
        messages = InboundMessage.objects.select_related("dead_letter").order_by("pk")
        wanted = messages if anew else messages.filter(tokens=None)
        while rows := list(wanted.filter(pk__gt=last)[:SLICE]):
            with transaction.atomic():
                MessageTokens.objects.filter(pk__in=[message.pk for message in rows]).delete()
                copy_rows(MessageTokens, ("message_id", "tokens"), ((m.pk, delivered(m).tokens) for m in rows))
            number, last = number + len(rows), rows[-1].pk
        self.stdout.write(f"{number:,} messages indexed")


def delivered(message: InboundMessage) -> Delivery:
    """Return the delivery as it was, without applying anything."""
    delivery = Delivery(message.ordinal, bytes(message.raw)).interpret()
    delivery.status, delivery.error = Status(message.status), None
    if letter := getattr(message, "dead_letter", None):
        delivery.error = MessageRejected(letter.error_class, letter.error_text, path=letter.error_path)
    return delivery
