"""Doing something else for as long as PostgreSQL works.

A thread would do it too, but two threads of Python get in each other's way: here a step of the other work is taken
only while there is nothing to read from the server, and nobody waits for a lock.
"""

import select
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.waiting import Wait

DONE: Final = object()


@contextmanager
def meanwhile(connection: BaseDatabaseWrapper, work: Iterator[object]) -> Iterator[None]:
    """While inside, take steps of `work` whenever the connection would wait for an answer.

    A step should be short, as an answer is noticed after it, and must not raise or use the connection.
    """
    connection.ensure_connection()
    driver = connection.connection
    plain: Callable[..., Any] = driver.wait
    driver.wait = lambda waiting, *args, **kwargs: plain(_with_steps(waiting, driver.fileno(), work), *args, **kwargs)
    try:
        yield
    finally:
        del driver.wait  # uncovers the method


def _with_steps(waiting: Generator[Wait, int, Any], socket: int, work: Iterator[object]) -> Generator[Wait, int, Any]:
    """Go on with psycopg's exchange with the server; what it returns is returned."""
    is_readable = select.poll()
    is_readable.register(socket, select.POLLIN)
    try:
        wanted = next(waiting)
        while True:
            if wanted == Wait.R:
                while not is_readable.poll(0) and next(work, DONE) is not DONE:
                    pass
            wanted = waiting.send((yield wanted))
    except StopIteration as end:
        return end.value
