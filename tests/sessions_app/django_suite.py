"""Run the 65 tests of Django's SessionTestsMixin against our engine, in a process and database of its own.

Usage: python -m tests.sessions_app.django_suite DIRECTORY DATABASE, where DIRECTORY has Django's `tests/sessions_tests`
and DATABASE is a migrated one to be copied. Prints one JSON line.
"""

import json
import os
import sys
import unittest


def run(directory: str, database: str) -> int:
    sys.path.insert(0, directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "epicops.settings"
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    settings.INSTALLED_APPS += ["django.contrib.sessions", "sessions_tests"]
    settings.DATABASES["default"]["TEST"] = {"NAME": "test_django_suite", "TEMPLATE": database}
    django.setup()
    from django.test import TestCase  # noqa: PLC0415
    from django.test.utils import get_runner  # noqa: PLC0415
    from sessions_tests.tests import SessionTestsMixin  # type: ignore[import-not-found]  # noqa: PLC0415  of Django's

    from epicops.redis_client import sessions_client  # noqa: PLC0415
    from sessions_app.backend import SessionStore  # noqa: PLC0415
    from sessions_app.trust import trust  # noqa: PLC0415

    class Suite(SessionTestsMixin, TestCase):  # type: ignore[misc]
        backend = SessionStore
        databases = {"default", "sessions"}

        @classmethod
        def _databases_names(cls, include_mirrors: bool = True) -> list[str]:  # noqa: ARG003, FBT001, FBT002
            return ["default"]  # the registry commits, as in life

    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Suite)
    commands = sessions_client().info("stats")["total_commands_processed"]
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases(aliases={"default", "sessions"})
    result = runner.run_suite(suite)
    asked = sessions_client().info("stats")["total_commands_processed"] - commands
    trusted = trust.is_redis()
    connections.close_all()
    runner.teardown_databases(databases)
    failures = [test.id() for test, _ in result.failures + result.errors]
    print(json.dumps({"ran": result.testsRun, "failed": failures, "redis_commands": asked, "trusted": trusted}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
