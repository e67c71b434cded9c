"""What people are told of a store that is away."""

from django.db import Error, InterfaceError, OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError


def away(error: RedisError | Error | OSError) -> str:
    """Return which store is away and why: in its client's words where it was not reached, as those hold no data.

    Of what Redis answers only the code is told, such as WRONGTYPE where somebody put another type at a key of ours.
    """
    store = "PostgreSQL" if isinstance(error, Error) else "Redis"
    why = str(error).partition("\n")[0].rstrip(".") if is_unreached(error) else ""
    if isinstance(error, ResponseError) and (code := str(error).partition(" ")[0]).isupper():
        return f"{store} refuses: {code}"
    return f"{store} is away: {why or type(error).__name__}"


def is_unreached(error: BaseException) -> bool:
    """Whether a store did not answer, as against one that answers with an error."""
    if isinstance(error, (OperationalError, InterfaceError)):
        return getattr(error.__cause__, "sqlstate", "") is None
    return isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError))
