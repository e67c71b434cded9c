"""What people are told of a store that is away."""

from django.db import Error
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError


def away(error: RedisError | Error | OSError) -> str:
    """Return which store is away and why: in its client's words where it was not reached, as those hold no data."""
    store = "PostgreSQL" if isinstance(error, Error) else "Redis"
    is_unreached = isinstance(error, (RedisConnectionError, RedisTimeoutError, OSError)) or (
        getattr(error.__cause__, "sqlstate", "") is None
    )
    why = str(error).partition("\n")[0].rstrip(".") if is_unreached else ""
    return f"{store} is away: {why or type(error).__name__}"
