"""Where a command goes in a Redis Cluster, and what becomes of one that concerns several places."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from redis.crc import key_slot

Command = tuple[tuple[Any, ...], dict[str, Any]]  # as redis-py stacks them: arguments and options
Merge = Callable[[Sequence[Any]], Any]

KEYLESS: Final = {"ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "INFO", "LATENCY", "SLOWLOG", "WAIT"}
SCRIPTS: Final = {"EVAL", "EVALSHA"}
# Asked of every primary, and asked key by key; with what makes one reply of several.
EVERYWHERE: Final[Mapping[str, Merge]] = {
    "PING": all,
    "DBSIZE": sum,
    "FLUSHALL": all,
    "FLUSHDB": all,
    "SCRIPT LOAD": max,
}
BY_KEY: Final[Mapping[str, Merge]] = {
    **dict.fromkeys(("DEL", "EXISTS", "UNLINK"), sum),
    "MGET": lambda replies: list(chain.from_iterable(replies)),
}


def slot_of(args: tuple[Any, ...]) -> int | None:
    """Return the slot of a command's first key, None for one without a key."""
    if len(args) == 1 or args[0].partition(" ")[0] in KEYLESS:
        return None
    return slot_of_key(args[3] if args[0] in SCRIPTS else args[1])


def slot_of_key(key: str | bytes) -> int:
    """Return the slot of a key: CRC16 of what is in its first braces, else of all of it."""
    return key_slot(key if isinstance(key, bytes) else key.encode())


def parts_of(command: Command) -> Iterator[Command]:
    """Yield a command for each key where one may have keys of several slots; else the command itself."""
    args, options = command
    if args[0] in BY_KEY:
        yield from (((args[0], key), options) for key in args[1:])
    else:
        yield command


def merged(name: str, replies: list[Any]) -> Any:
    """Return one reply from those to a command's parts, or the first error among them."""
    error = next((reply for reply in replies if isinstance(reply, Exception)), None)
    return error or (BY_KEY[name](replies) if name in BY_KEY else replies[0])
