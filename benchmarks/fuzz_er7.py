#!/usr/bin/env python
"""Damaged messages for the parser and the handlers: they may refuse one, and nothing else may be raised.

Run it as: .venv/bin/python benchmarks/fuzz_er7.py [--seconds 600] [--seed 1] [FILE ...]

It damages messages of the demo, and of FILEs, a few bytes at a time, reads every value of what is left and asks the
handlers what it means. It needs no servers. Exit status 1, with the seed of the message, at the first other exception.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_SECRET_KEY", "fuzz")
for role in ("DATABASE", "REDIS_SESSIONS", "REDIS_QUEUE", "REDIS_CACHE"):
    os.environ.setdefault(f"EPICOPS_{role}_URL", "postgresql:///none" if role == "DATABASE" else "unix:///none")

import django

django.setup()

from interconnect.handlers.dispatch import HANDLERS, interpret
from interconnect.handlers.interpretation import MessageSkipped
from interconnect.hl7.er7 import Message, parse, peek_header
from interconnect.hl7.rejected import MessageRejected
from interconnect.sample_messages import Person, Place, adt
from vitals.codes import NO_LOCAL_CODES

PUNCTUATION = rb"| ^ ~ \ & - ^^^ || \X0D\ \.br\ \E\ \T\ MSH| PID| OBX| MRG| 20260230 8859/1 UTF-8".split()
WORDS = [*PUNCTUATION, b"\r", b"\n", b"\0", b'""', b"\xff", b"\xe2\x80\xa8", b"9" * 40]
DAMAGE = 6  # places at most


def seeds(files: list[Path]) -> list[bytes]:
    """Return whole messages of every kind there is a handler for, and those of the files."""
    person = Person("00427013", "V1", "Okafor", "Amaka", date(1961, 4, 12), "F")
    base = adt("A01", datetime(2026, 3, 2, 9, tzinfo=UTC), "1", person, Place("MED", 427), {})
    events = sorted({name.partition("^")[2] for name in HANDLERS})
    merging = base + b"\rMRG|2^^^EPIC^MR||3||4|5\rPID|2||3^^^EPIC^MR\rPV1|2|I|MED^1^1"
    vitals = base.replace(b"ADT^A01", b"ORU^R01") + b"\rOBR|1\rOBX|1|NM|8867-4^hr^LN||78|/min|||||F|||20260302090000"
    kinds = [merging.replace(b"A01", event.encode()) for event in events]
    return [base, vitals, *kinds, *(path.read_bytes() for path in files)]


def typed(random: Random) -> bytes:
    """Return a few characters, of ASCII nearly always: other bytes soon make a message unreadable as a whole."""
    if random.random() < 1 / 40:
        return random.randbytes(random.randint(1, 4))
    return bytes(random.randrange(32, 127) for _ in range(random.randint(1, 4)))


def damaged(raw: bytes, random: Random) -> bytes:
    for _ in range(random.randint(1, DAMAGE)):
        start = random.randrange(len(raw) + 1)
        cut = random.choice((0, 0, 1, 3, 30))
        new = random.choice(
            (b"", random.randbytes(random.randint(1, 4)), random.choice(WORDS), raw[start : start + 40])
        )
        raw = raw[:start] + new + raw[start + cut :]
    return raw


def read(raw: bytes) -> str:
    """Read everything there is in a message and say how it ended."""
    peek_header(raw)
    try:
        message = parse(raw, fallback="latin-1")
        read_values(message)
        interpret(message, NO_LOCAL_CODES)
    except MessageSkipped:
        return "skipped"
    except MessageRejected as rejected:
        return rejected.error_class
    return "understood"


def read_values(message: Message) -> None:
    for segment in message.segments:
        for field in range(len(segment.fields) + 1):
            for repetition in range(1, segment.repetitions(field) + 1):
                segment.get(field, repetition=repetition)
                segment.get(field, 2, 2, repetition)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    originals, ends, outcomes = seeds(options.files), time.monotonic() + options.seconds, Counter[str]()
    number = options.seed
    while time.monotonic() < ends:
        random = Random(number)
        raw = damaged(random.choice(originals), random)
        try:
            outcomes[read(raw)] += 1
        except Exception:
            print(f"seed {number}: {raw!r}", file=sys.stderr)
            raise
        number += 1
    print(json.dumps({"messages": outcomes.total(), "seconds": options.seconds, "outcomes": dict(outcomes)}))


if __name__ == "__main__":
    main()
