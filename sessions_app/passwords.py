"""What a new password means for sessions."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from sessions_app.live import end_sessions
from sessions_app.models import SessionRecord


class EndSessions:
    """A password validator for Django's call once a password has been changed: who knew the old one is out at once.

    The session in which it was changed goes on under a new id: Django renews that one afterwards.
    """

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Accept any password."""

    def get_help_text(self) -> str:
        return "Your other sessions end when it changes."

    def password_changed(self, _password: str, user: AbstractBaseUser) -> None:
        theirs, reason = Q(user_id=user.pk), SessionRecord.Reason.PASSWORD
        transaction.on_commit(lambda: end_sessions(theirs, reason, actor=user))
