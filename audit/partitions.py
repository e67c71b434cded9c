"""Partitions of the trail come and go while everybody writes to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg.errors import LockNotAvailable

PATIENCE: Final = "250ms"


class TrailInUse(Exception):  # noqa: N818  named for the state
    """Somebody reads the trail in a long transaction, as a backup or a check of the chain does."""


@contextmanager
def lock_briefly() -> Iterator[CursorWrapper]:
    """Open a cursor for what locks the whole trail. Behind one who waits for that lock all who write would wait, too.

    Raises TrailInUse where PATIENCE is not enough.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
        try:
            yield cursor
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise TrailInUse from error
            raise
