"""What people are told of a store that is away."""

from django.db import Error
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError


def away(error: RedisError | Error | OSError) -> str:
    """Return which store is away and why: in its client's words where it was not reached, as those hold no data.

    Of what Redis answers only the code is told, such as WRONGTYPE where somebody put another type at a key of ours.
    """
    store = "PostgreSQL" if isinstance(error, Error) else "Redis"
    is_unreached = isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError)) or (
        getattr(error.__cause__, "sqlstate", "") is None
    )
    why = str(error).partition("\n")[0].rstrip(".") if is_unreached else ""
    if isinstance(error, ResponseError) and (code := str(error).partition(" ")[0]).isupper():
        return f"{store} refuses: {code}"
    return f"{store} is away: {why or type(error).__name__}"
