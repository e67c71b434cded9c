"""Finding messages by what is in them: `PID-3:E0001327 type:ORU^R01 OBX-3:8867-4 age:<2h`.

Each message has a row of tokens, hashes of "path=value", under one GIN index. Hashes keep the index small and patient
data out of it. A token that few messages have is looked up; for one that many have PostgreSQL walks from the newest.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.lookups import DataContains
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from epicops.admin_site import COUNT_LIMIT, pk_from
from interconnect.finding.tokens import PATHS, token
from interconnect.models import DeadLetter, InboundMessage

STATUSES: Final = tuple(status.value for status in InboundMessage.Status if status != InboundMessage.Status.RELEASED)
STATES: Final = tuple(DeadLetter.State.values)
IN_HEADER: Final = ("type", "sender", "facility", "control", "status", "error")
TAKES: Final = {  # every word of a search, and what may follow it
    "PID-3": "a patient's identifier",
    "PID-18": "an account number",
    "MRG-1": "a merged identifier",
    "PV1-3": "ward, room or bed",
    "PV1-19": "a visit number",
    "OBR-4": "an order's code, also the alternate one",
    "OBX-3": "an observation's code, also the alternate one",
    "type": "MSH-9, such as ADT^A01",
    "sender": "MSH-3",
    "facility": "MSH-4",
    "control": "MSH-10",
    "status": f"what became of it as it came: {', '.join(STATUSES)}",
    "error": "an error class, such as missing-field",
    "state": f"a dead letter's: {', '.join(STATES)}",
    "number": "a message's number",
    "age": "<2h is newer, >3d is older; m, h and d",
}
FEW: Final = 1000  # messages that a search lists by their ids
# PostgreSQL believes that several tokens meet as often as chance has it, and with a limit reads the table until they
# have. Materialized it intersects their lists in the index, and then looks up no more of them than are asked for.
FIND: Final = """
WITH found AS MATERIALIZED (
  SELECT message_id FROM interconnect_messagetokens WHERE tokens @> %(tokens)s::bigint[] LIMIT %(limit)s
)
SELECT (SELECT count(*) FROM (SELECT FROM found LIMIT %(most)s) AS counted),
  ARRAY(SELECT message_id FROM found LIMIT %(few)s)"""
AGE: Final = re.compile(r"([<>])(\d{1,5})([mhd])")
UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class NotUnderstood(ValueError):  # noqa: N818  named for what is the matter with the search
    """A search that cannot be read. The text says to people why; `part` is what of the search is wrong."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part


class Wanted(NamedTuple):
    """Tokens, and how many messages have all of them, counted to COUNT_LIMIT."""

    tokens: tuple[int, ...]
    number: int


@ArrayField.register_lookup
class Holds(DataContains):
    """`tokens__holds=Wanted(…)`: the rows with all of these tokens; whoever counts them need not count again."""

    lookup_name = "holds"

    def __init__(self, lhs: Any, wanted: Wanted) -> None:
        super().__init__(lhs, list(wanted.tokens))
        self.number = wanted.number


class Query(NamedTuple):
    """What was asked for, to be applied to messages or, with prefix "message__", to what belongs to them."""

    tokens: tuple[int, ...]
    states: tuple[str, ...]
    numbers: tuple[int, ...]
    newer_than: timedelta | None
    older_than: timedelta | None

    def condition(self, prefix: str = "", letter: str = "dead_letter__") -> Q:
        """Return the condition; `letter` leads from the rows to a dead letter's fields."""
        wanted = Q()
        if self.tokens:
            wanted &= self._holds(prefix)
        for state in self.states:
            wanted &= Q(**{f"{letter}state": state})
        for number in self.numbers:
            wanted &= Q(**{f"{prefix}pk": number})
        if self.newer_than:
            wanted &= Q(**{f"{prefix}applied_at__gte": timezone.now() - self.newer_than})
        if self.older_than:
            wanted &= Q(**{f"{prefix}applied_at__lte": timezone.now() - self.older_than})
        return wanted

    def _holds(self, prefix: str) -> Q:
        """Look few matches up by the index; walk many from the newest. Left alone, PostgreSQL walks for the few too."""
        limit = COUNT_LIMIT if len(self.tokens) == 1 else None
        with connection.cursor() as cursor:
            cursor.execute(FIND, {"tokens": list(self.tokens), "limit": limit, "most": COUNT_LIMIT, "few": FEW + 1})
            [(number, ids)] = cursor.fetchall()
        if number <= FEW:
            return Q(**{f"{prefix}pk__in": ids})
        return Q(**{f"{prefix}tokens__tokens__holds": Wanted(self.tokens, number)})


def read(text: str) -> Query:
    """Read what somebody typed; NotUnderstood where that cannot be done."""
    tokens, states, numbers, ages = [], [], [], dict[str, timedelta]()
    for word, value in _terms(text):
        if word.upper() in PATHS:
            tokens.append(token(word.upper(), value))
        elif word in IN_HEADER:
            tokens.append(token(word, _one_of(STATUSES, word, value) if word == "status" else value))
        elif word == "state":
            states.append(_one_of(STATES, word, value))
        elif word == "number":
            if (number := pk_from(value)) is None:
                raise NotUnderstood(value, "A message's number has digits only.")
            numbers.append(number)
        elif word == "age":
            sign, age = _age(value)
            ages[sign] = age
        else:
            raise NotUnderstood(f"{word}:", f"{word}: is not a search word. There are {', '.join(TAKES)}.")
    return Query(tuple(tokens), tuple(states), tuple(numbers), ages.get("<"), ages.get(">"))


def _terms(text: str) -> Iterator[tuple[str, str]]:
    """Yield word and value of each term; a lone number is a message's, anything else alone is a control id."""
    for term in _split(text):
        word, colon, value = term.partition(":")
        if not colon:
            yield ("control" if pk_from(term) is None else "number"), term
        elif not value:
            raise NotUnderstood(term, f"{term} is followed by nothing. What is looked for?")
        else:
            yield word if word.upper() in PATHS else word.lower(), value


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:  # a quotation mark or a backslash without its partner
        raise NotUnderstood("", f"{error}.") from None


def _one_of(known: tuple[str, ...], word: str, value: str) -> str:
    if value.casefold() not in known:
        raise NotUnderstood(value, f"{word}: cannot be {value}. There are {', '.join(known)}.")
    return value.casefold()


def _age(value: str) -> tuple[str, timedelta]:
    match = AGE.fullmatch(value)
    if match is None:
        raise NotUnderstood(value, "An age is like >2h or <30m: m, h and d are known.")
    kwargs: dict[str, Any] = {UNITS[match[3]]: int(match[2])}
    return match[1], timedelta(**kwargs)
