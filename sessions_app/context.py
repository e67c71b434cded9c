"""What templates may say about the stores."""

from collections.abc import Callable

from django.http import HttpRequest

from sessions_app.trust import trust


def stores(_request: HttpRequest) -> dict[str, Callable[[], bool]]:
    """Let a page ask whether sessions are served from PostgreSQL, because Redis is away."""
    return {"is_redis_away": lambda: not trust.is_redis()}
