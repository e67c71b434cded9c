"""People who work in the operators' admin."""

from django.contrib.auth.models import Permission

from sessions_app.models import User

VIEW = ("view_inboundmessage", "view_deadletter", "view_auditevent")


def staff(name: str, *permissions: str) -> User:
    """A person who may open the admin and has just these permissions there."""
    user = User.objects.create_user(name, password=name, role=User.Role.OPERATOR, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def olu() -> User:
    """The operator: looks at messages and replays dead letters."""
    return staff("olu", *VIEW, "replay_deadletter")
