"""Reading a piece of text once, though every other message has it: a code, a place, a patient's PID."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

MAX_CACHED: Final = 500  # characters; many longer ones would fill the memory


def remembered(maxsize: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Cache what a function makes of its arguments, of which the first is a text and all can be hashed.

    A long text is read anew each time.
    """

    def decorate(read: Callable[P, R]) -> Callable[P, R]:
        cached = cast(Callable[P, R], lru_cache(maxsize)(read))

        def reader(*args: P.args, **kwargs: P.kwargs) -> R:
            return (cached if len(args[0]) <= MAX_CACHED else read)(*args, **kwargs)  # type: ignore[arg-type]

        return reader

    return decorate
