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
    from environs import EnvError  # noqa: PLC0415

    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, EnvError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
