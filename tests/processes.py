"""Management commands run as processes."""

import os
import runpy
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

# Processes are forked from one that has loaded these, which need no settings: two fifths of a start's time are left.
LIBRARIES = """
asyncio concurrent.futures.thread cryptography.hazmat.primitives.ciphers.aead csp.middleware
django.contrib.postgres.fields django.contrib.postgres.indexes django.core.management
django.db.backends.postgresql.base django.db.models django.forms django.template.backends.django
django.template.defaultfilters django.template.defaulttags django.template.loader_tags django.urls
django.views.decorators.csrf django.views.generic django_redis.client django_stubs_ext environs hl7 prometheus_client
psycopg qrcode.image.svg redis.cluster redis.sentinel rich.console rich.progress sqlparse statistics structlog
whitenoise.middleware xml.etree.ElementTree zoneinfo
"""
FORKED = get_context("forkserver")
FORKED.set_forkserver_preload(LIBRARIES.split())


def become(command: Sequence[str], environment: Mapping[str, str], stdout: Path, stderr: Path) -> None:
    """Become `python COMMAND`; its standard output and error go to these files."""
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((stdout, sys.__stdout__), (stderr, sys.__stderr__)):
        assert stream is not None
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
        stream.reconfigure(line_buffering=True)
    sys.argv = list(command)
    runpy.run_path(sys.argv[0], run_name="__main__")


class ManageProcess:
    """`manage.py ARGUMENTS` as a process; its stdout and stderr are kept in files."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], output: Path, *, script: str = "manage.py"
    ) -> None:
        self._stdout = output.with_suffix(".out")
        self._stderr = output.with_suffix(".err")
        self._stdout.touch()
        self._stderr.touch()
        command = (str(PROJECT / script), *arguments)
        self._process = FORKED.Process(target=become, args=(command, dict(environment), self._stdout, self._stderr))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self._stdout.read_text()

    @property
    def stderr(self) -> str:
        """What it has logged so far."""
        return self._stderr.read_text()

    @property
    def is_running(self) -> bool:
        return self._process.exitcode is None

    def wait(self, seconds: float = 30) -> int:
        """Return its exit status once it ends by itself."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise AssertionError(f"still running after {seconds} s; it logged:\n{self.stderr}")
        return self._process.exitcode

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Return once `text` is in its output; fail when it ends or takes longer."""
        deadline = time.monotonic() + seconds
        while text not in self.stdout + self.stderr:
            if not self.is_running or time.monotonic() > deadline:
                raise AssertionError(f"no {text!r}; it logged:\n{self.stderr}")
            time.sleep(0.02)

    def signal(self, signum: int) -> None:
        if self.is_running:
            os.kill(self.pid, signum)

    def stop(self, seconds: float = 30) -> int:
        """Send SIGTERM and return its exit status."""
        self._process.terminate()
        return self.wait(seconds)

    def kill(self) -> None:
        """SIGKILL it; harmless once it has ended."""
        self._process.kill()
        self._process.join()
