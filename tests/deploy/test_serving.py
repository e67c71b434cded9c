"""deploy/nginx in front of gunicorn.conf.py: slow clients end at nginx, and a reload fails no request."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from epicops.embedded import processes
from epicops.embedded.stack import free_port
from epicops.pki import Authority
from tests.processes import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.nginx]

SLOW_CLIENTS = 40
PROMETHEUS = "127.0.0.2"


@dataclass
class Site:
    port: int
    tls: ssl.SSLContext
    gunicorn: "subprocess.Popen[bytes]"

    def get(
        self,
        path: str = "/healthz",
        method: str = "GET",
        body: bytes | None = None,
        *,
        timeout: float = 60,
        me: str = "127.0.0.1",
    ) -> int:
        """Return the status of a page for one at the address `me`, or 0 for none within so many seconds."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=timeout, context=self.tls, source_address=(me, 0)
        )
        try:
            connection.request(method, path, body)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Gunicorn on a Unix socket, and nginx with the deployed file, its paths and port replaced."""
    tmp_path = tmp_path_factory.mktemp("site")
    port, run = free_port(), tmp_path / "run"
    run.mkdir()
    authority = Authority(tmp_path / "tls")
    authority.create("test CA")
    authority.issue("web-server", ["localhost"])
    text = (PROJECT / "deploy" / "nginx" / "epicops.conf").read_text()
    text = text.replace("/run/epicops", str(run)).replace("/etc/epicops/tls", str(tmp_path / "tls"))
    text = text.replace("listen 443", f"listen {port}").replace("192.0.2.10", PROMETHEUS)
    (tmp_path / "epicops.conf").write_text(text)
    main = f"user root;\npid {run}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
    (tmp_path / "nginx.conf").write_text(main + f"http {{ include {tmp_path}/epicops.conf; }}\n")
    environment = os.environ | {
        "EPICOPS_PLAIN_HTTP": "0",
        "EPICOPS_ALLOWED_HOSTS": "localhost",
        "EPICOPS_METRICS_KEY": "secret",
    }
    settings = ["--config", str(PROJECT / "gunicorn.conf.py"), "--pythonpath", str(PROJECT)]
    gunicorn = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *settings, "--bind", f"unix:{run}/gunicorn.sock"], env=environment
    )
    nginx = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf"), "-g", "daemon off;"])
    tls = ssl.create_default_context(cafile=str(authority.certificate))
    tls.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    site = Site(port, tls, gunicorn)
    try:
        deadline = time.monotonic() + 30
        while site.get() != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        yield site
    finally:
        processes.end([*processes.tree(nginx.pid), *processes.tree(gunicorn.pid)], signal.SIGKILL)
        nginx.wait()
        gunicorn.wait()


def test_slow_clients_stop_nobody(site: Site) -> None:
    idle = [socket.create_connection(("localhost", site.port)) for _ in range(SLOW_CLIENTS)]

    started = time.monotonic()
    statuses = {site.get() for _ in range(5)}
    seconds = time.monotonic() - started

    for connection in idle:
        connection.close()
    assert statuses == {200}
    assert seconds < 5


def test_a_reload_fails_no_request(site: Site) -> None:
    statuses: list[int] = []
    stop = threading.Event()

    def browse() -> None:
        while not stop.is_set():
            statuses.append(site.get())

    visitor = threading.Thread(target=browse)
    visitor.start()
    time.sleep(0.5)
    site.gunicorn.send_signal(signal.SIGHUP)
    time.sleep(3)
    stop.set()
    visitor.join()

    assert len(statuses) > 10
    assert set(statuses) == {200}


def test_a_crowd_behind_one_address_signs_in_and_a_flood_is_stopped(site: Site) -> None:
    def statuses(method: str, number: int) -> set[int]:
        return set(people.map(lambda _: site.get("/hyperspace/login/", method, timeout=2), range(number)))

    with ThreadPoolExecutor(90) as people:
        looking, crowd = statuses("GET", 90), statuses("POST", 15)
        is_stopped = any(429 in statuses("POST", 90) for _ in range(5))  # a busy machine floods slowly

    assert 429 not in looking | crowd  # what epicops says to them is another matter
    assert is_stopped


def test_https_is_known_behind_nginx(site: Site) -> None:
    assert site.get("/") == 302  # to the first page; 301 would be to https, for ever


def test_a_message_with_a_document_in_it_gets_through(site: Site) -> None:
    statuses = [site.get(path, "POST", bytes(3_000_000)) for path in ("/interconnect/hl7", "/hyperspace/")]

    assert [status == 413 for status in statuses] == [False, True]


def test_metrics_are_for_prometheus_and_ask_for_its_key(site: Site) -> None:
    assert site.get("/metrics") == 403
    assert site.get("/metrics", me=PROMETHEUS) == 401
