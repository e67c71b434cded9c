#!/usr/bin/env python
"""Django's command line for epicops."""

import gc
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
    gc.disable()  # until epicops/apps.py: what starting makes stays, and to look for garbage in it is an eighth of it
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415  settings come first
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from django.db import Error  # noqa: PLC0415
    from environs import EnvError  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415

    from epicops.away import away, is_unreached  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EnvError, OSError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"manage.py: {error}")
    except (Error, RedisError) as error:
        if "--traceback" in sys.argv or not is_unreached(error):
            raise
        sys.exit(f"manage.py: {away(error)}")


if __name__ == "__main__":
    main()
