"""Pytest plugin: real servers for the run, started before Django reads its settings."""

import atexit
import os
import signal
import tempfile
from importlib import import_module
from pathlib import Path

import pytest

from epicops.embedded.stack import Stack

stack_key = pytest.StashKey[Stack]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    os.environ.setdefault("EPICOPS_PLAIN_HTTP", "1")  # what the test client speaks
    if "PYTEST_XDIST_WORKER" not in os.environ:
        if getattr(early_config.known_args_namespace, "numprocesses", None):
            import_module("tests.settings")  # pytest -n: only its processes run tests, each with servers of its own
            return
        if "EPICOPS_DATABASE_URL" in os.environ:  # script/with-stack
            return
    directory = tempfile.TemporaryDirectory(prefix="epicops-tests-")
    atexit.register(directory.cleanup)  # not the configuration's cleanup: the processes of pytest -n skip that
    stack = Stack(Path(directory.name), durable=False)
    atexit.register(stack.stop)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the servers stop with the run
    stack.start()
    early_config.stash[stack_key] = stack
    os.environ.update(stack.environment())
