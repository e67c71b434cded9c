"""Whether this process may use sessions: one that may not takes it for an outage, and sends everybody to PostgreSQL."""

from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import AuthenticationError, NoPermissionError

from epicops import keys
from sessions_app.trust import OUTAGE, trust


def refuse_another_user() -> None:
    """Raise ImproperlyConfigured for a Redis user whom the server does not let in, or not use sessions."""
    try:
        trust.client.exists(keys.session(""))
    except (NoPermissionError, AuthenticationError):
        text = "This Redis user may not use sessions: EPICOPS_REDIS_SESSIONS_URL has to be that of the web processes"
        raise ImproperlyConfigured(text) from None
    except OUTAGE:
        return  # what an outage is for
