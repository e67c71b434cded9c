"""Sessions by themselves, without a browser, and what the registry has of them."""

from django.db import connections

from sessions_app.backend import SessionStore


def new_session() -> str:
    """Sign a nurse in; return the session's id."""
    session = SessionStore()
    session.update({"_auth_user_id": "17", "role": "nurse", "portal": "Hyperspace"})
    session.save()
    return str(session.session_key)


def in_registry(change: str) -> int:
    """Change all rows of the registry; return how many there are."""
    with connections["sessions"].cursor() as cursor:
        cursor.execute(f"UPDATE sessions_app_sessionrecord SET {change}")
        return int(cursor.rowcount)
