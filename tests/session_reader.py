"""A process that tells of each session id it is sent whether the session is alive."""

import os
from collections.abc import Mapping
from multiprocessing.connection import Connection


def tell(environment: Mapping[str, str], asked: "Connection[bool, str]") -> None:
    os.environ.clear()
    os.environ.update(environment)
    import django  # noqa: PLC0415  the environment says which settings

    django.setup()
    from sessions_app.backend import SessionStore  # noqa: PLC0415
    from sessions_app.trust import watch  # noqa: PLC0415

    watch()
    while True:
        asked.send(bool(SessionStore(asked.recv()).load()))
