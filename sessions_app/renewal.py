"""A session goes on under a new id once somebody has changed what its holder may do (ASVS 5.0, 7.2.4).

The change itself is in the session at once (`live.follow`); only the next answer can hand its browser a new id.
"""

from sessions_app import registry, vouching
from sessions_app.trust import DATABASE, OUTAGE, SessionsUnavailable, trust


def renew(session_id: str, new_id: str, data: str, ver: int) -> bool:
    """Let a session go on under another id with this data; False, and nothing done, where it may not.

    The registry decides in one statement: of several answers at once one renews, and none does when the session has
    ended or another request has written it since version `ver`.
    """
    try:
        if not registry.renew(session_id, new_id, data, ver):
            return False
    except DATABASE:
        return False
    try:
        if trust.is_redis():
            vouching.verify(new_id)
    except OUTAGE as error:
        trust.fall_back(error)
    except DATABASE as error:
        raise SessionsUnavailable from error
    vouching.clear([session_id])
    return True
