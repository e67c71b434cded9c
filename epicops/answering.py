"""Who answers for what a management command does."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import CommandError


def person_answering(username: str | None, permission: str, wanted: str) -> AbstractBaseUser:
    """Return the active user of that name who has the permission; CommandError, naming who is `wanted`, without one."""
    person = get_user_model()._default_manager.filter(username=username, is_active=True).first()  # noqa: SLF001
    if person is None or not person.has_perm(permission):
        raise CommandError(f"--by is not the name of an active {wanted}")
    return person
