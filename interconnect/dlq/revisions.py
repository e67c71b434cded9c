"""Edited messages. The original never changes: an edit is a row beside it, and what a replay delivers from then on."""

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Final, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from interconnect.dlq.second_look import SecondLook
from interconnect.finding.inspector import HEADERS, VISIBLE
from interconnect.hl7.charsets import UTF_8
from interconnect.hl7.er7 import declared_codec, normalize
from interconnect.hl7.field_names import field_name

EDITABLE_BYTES: Final = 256 * 1024  # what a page can reasonably hold


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


class Change(NamedTuple):
    """One field, or one segment where all of it is new or gone, before and after; printable."""

    path: str
    name: str
    before: str
    after: str


def is_about_identity(edit: Iterable[Change]) -> bool:
    """Say whether an edit changes who the message is about."""
    return any(change.path.startswith(("PID", "MRG")) for change in edit)


def as_text(raw: bytes) -> str:
    """Return the message with one segment a line, for people to edit; ValueError where that would lose something."""
    if len(raw) > EDITABLE_BYTES:
        raise ValueError("The message is too long to be edited here")
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


def changes(before: bytes, after: bytes) -> list[Change]:
    """Return the fields that differ, in the order of the message."""
    old, new = as_text(before).split("\n"), as_text(after).split("\n")
    return list(_changes(old, new))


def _changes(old: list[str], new: list[str]) -> Iterator[Change]:
    separator = new[0][3:4] or "|"
    for kind, i, i_end, j, j_end in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        pairs = zip(old[i:i_end], new[j:j_end], strict=False)
        paired = min(i_end - i, j_end - j)
        for line, (was, becomes) in enumerate(pairs, i):
            yield from _fields(was, becomes, separator, sum(other[:3] == was[:3] for other in old[: line + 1]))
        for was in old[i + paired : i_end]:
            yield Change(was[:3].translate(VISIBLE), "segment removed", was.translate(VISIBLE), "")
        for becomes in new[j + paired : j_end]:
            yield Change(becomes[:3].translate(VISIBLE), "segment added", "", becomes.translate(VISIBLE))


def _fields(was: str, becomes: str, separator: str, number: int) -> Iterator[Change]:
    old, new = was.split(separator), becomes.split(separator)
    name = new[0].translate(VISIBLE)
    shift = int(name in HEADERS)  # their field 1 is the separator itself
    if old[0] != new[0]:
        yield Change(f"{name}[{number}]", "segment's name", old[0].translate(VISIBLE), name)
    for position in range(1, max(len(old), len(new))):
        before, after = ((fields[position : position + 1] or [""])[0] for fields in (old, new))
        if before != after:
            field = position + shift
            path = f"{name}[{number}]-{field}"
            yield Change(path, field_name(name, field), before.translate(VISIBLE), after.translate(VISIBLE))
