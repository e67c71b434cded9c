"""Edited messages. The original never changes: an edit is a row beside it, and what a replay delivers from then on."""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from interconnect.dlq.second_look import SecondLook
from interconnect.hl7.charsets import UTF_8
from interconnect.hl7.er7 import declared_codec, normalize

EDITABLE_BYTES: Final = 256 * 1024  # what a page can reasonably hold
TOO_LONG: Final = "The message is too long for this page"


class Revision(SecondLook):
    """What somebody made of a message, and why; the newest one in force counts."""

    made_by = "edited_by"

    message = models.ForeignKey("interconnect.InboundMessage", models.PROTECT, related_name="revisions")
    raw = models.BinaryField()
    reason = models.CharField(max_length=300, help_text="Why; never patient data")
    edited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    edited_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Revision #{self.pk}"


def as_text(raw: bytes) -> str:
    """Return the message with one segment a line, for people to edit; ValueError where that would lose something."""
    if len(raw) > EDITABLE_BYTES:
        raise ValueError(TOO_LONG)
    body = normalize(raw)
    try:
        text = body.decode(declared_codec(body) or UTF_8)
    except UnicodeDecodeError:
        raise ValueError("The bytes are no text in the declared character set") from None
    if "\0" in text:
        raise ValueError("The message contains NUL bytes")
    return text.replace("\r", "\n")


def as_bytes(text: str) -> bytes:
    """Return the edited message in the character set that it declares; ValueError where that one has not all of it."""
    body = normalize(text.encode(errors="surrogatepass"))
    try:
        return body.decode().encode(declared_codec(body) or UTF_8)
    except UnicodeError:
        raise ValueError("A character is not in the declared character set (MSH-18)") from None
