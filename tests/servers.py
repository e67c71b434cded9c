"""Pytest plugin: real servers for the run, started before Django reads its settings."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from epicops.embedded.stack import Stack

stack_key = pytest.StashKey[Stack]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    # HTTPS redirects and hashed static files are off for the test client; Django turns DEBUG itself off again.
    os.environ.setdefault("EPICOPS_DEBUG", "1")
    if "EPICOPS_DATABASE_URL" in os.environ:  # script/with-stack
        return
    directory = tempfile.TemporaryDirectory(prefix="epicops-tests-")
    early_config.add_cleanup(directory.cleanup)
    stack = Stack(Path(directory.name), durable=False)
    early_config.add_cleanup(stack.stop)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the servers stop with the run
    stack.start()
    early_config.stash[stack_key] = stack
    os.environ.update(stack.environment())
