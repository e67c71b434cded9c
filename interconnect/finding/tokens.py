"""What a message is found by: hashes of "path=value", which keep the index small and patient data out of it."""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import Final

from interconnect.hl7.er7 import Header, Message, Segment, readable
from interconnect.hl7.escapes import Encoding
from interconnect.hl7.remembered import remembered

# By segment: field and the components of which each repetition's values are found. docs/console.md lists them.
INDEXED: Final = {
    "PID": (("PID-3", 3, (1,)), ("PID-18", 18, (1,))),
    "MRG": (("MRG-1", 1, (1,)),),
    "PV1": (("PV1-3", 3, (1, 2, 3)), ("PV1-19", 19, (1,))),
    "OBR": (("OBR-4", 4, (1, 4)),),
    "OBX": (("OBX-3", 3, (1, 4)),),
}
PATHS: Final = tuple(path for fields in INDEXED.values() for path, _, _ in fields)
MAX_TOKENS: Final = 200  # of one message; those of its first segments

Tokens = frozenset[int]


def token(path: str, value: str) -> int:
    """Return the hash of a value at a path, 64 bits with a sign; upper and lower case are the same."""
    return _token(value, path)


@remembered(maxsize=4096)
def _token(value: str, path: str) -> int:
    text = f"{path}={value.casefold()}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def header_tokens(header: Header, status: str, error: str) -> Tokens:
    """Return what a message is found by whether or not it could be read as HL7."""
    about = {
        "type": header.message_type,
        "sender": header.sending_application,
        "facility": header.sending_facility,
        "status": status,
        "error": error,
        "control": header.control_id,
    }
    return frozenset(token(word, value) for word, value in about.items() if value)


def segment_tokens(message: Message) -> Tokens:
    """Return what a message names in its segments."""
    return frozenset(islice(_in_segments(message), MAX_TOKENS))


def tokens_in(raw: bytes) -> Tokens:
    """Return what a message that has not been read names in its segments; nothing where it has none."""
    message = readable(raw)
    return segment_tokens(message) if message else frozenset()


def _in_segments(message: Message) -> Iterator[int]:
    for segment in message.segments:
        for path, field, components in INDEXED.get(segment.name, ()):
            if text := segment.field(field):
                yield from _in_field(text, message.encoding, path, components)


@remembered(maxsize=4096)  # codes and places come again and again
def _in_field(text: str, encoding: Encoding, path: str, components: tuple[int, ...]) -> tuple[int, ...]:
    alone = Segment(f"{encoding.field}{text}", encoding)  # the field is this segment's first
    return tuple(
        token(path, value)
        for repetition in range(1, min(alone.repetitions(1), MAX_TOKENS) + 1)
        for component in components
        if (value := alone.get(1, component, repetition=repetition))
    )
