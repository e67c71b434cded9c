"""What searches need in PostgreSQL: each message's tokens, and the searches themselves.

A search may name a patient, so it never is part of an address: the address has the id of a Search.
"""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now


class MessageTokens(models.Model):
    """What one message is found by: `Delivery.tokens`."""

    message = models.OneToOneField(
        "interconnect.InboundMessage",
        models.CASCADE,
        primary_key=True,
        related_name="tokens",
        db_constraint=False,  # written with its message
    )
    tokens = ArrayField(models.BigIntegerField())

    class Meta:
        indexes = (GinIndex(fields=["tokens"], name="message_tokens"),)  # every search but those by number

    def __str__(self) -> str:
        return f"Tokens of message #{self.pk}"


class Search(models.Model):
    """What somebody looked for; with a name it is a view that everybody is offered."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.CharField(max_length=500)
    name = models.CharField(max_length=60, blank=True)
    searched_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    searched_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "searches"
        constraints = (
            models.UniqueConstraint(fields=["name"], condition=~models.Q(name=""), name="one_view_per_name"),
        )

    def __str__(self) -> str:
        return self.name or f"Search {self.id}"
