"""People who work in the operators' admin."""

from django.contrib.auth.models import Permission

from sessions_app.models import User
from tests import factories

VIEW = ("view_inboundmessage", "view_deadletter", "view_auditevent")


def staff(name: str, *permissions: str) -> User:
    """A person who may open the admin and has just these permissions there."""
    user = factories.person(name, User.Role.OPERATOR)
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def olu() -> User:
    """The operator: looks at messages and replays dead letters."""
    return staff("olu", *VIEW, "replay_deadletter")


def root() -> User:
    """May do whatever the admin offers."""
    return User.objects.create_superuser("root", password=factories.PASSWORD)
