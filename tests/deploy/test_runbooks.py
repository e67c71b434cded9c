"""The runbooks' own commands, run on a tier of loopback addresses, with the output they promise."""

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from epicops.embedded.cluster_tier import ClusterTier
from epicops.embedded.tier import Tier
from epicops.redis_client import connect
from tests.deploy.console import follow
from tests.deploy.services import Services
from tests.mllp import Listener
from tests.processes import PROJECT, ManageProcess

RUNBOOKS = sorted((PROJECT / "docs" / "runbooks").glob("*.md"))
REHEARSALS = [path for path in RUNBOOKS if path.stem in ("postgres-standby", "restore", "sealing-keys")]
OF_SERVICES = [path for path in RUNBOOKS if "$ systemctl " in path.read_text() and path not in REHEARSALS]
OF_A_CLUSTER = RUNBOOKS[0].parent / "redis-cluster.md"
OF_THE_TIER = [
    path for path in RUNBOOKS if path not in {*OF_SERVICES, *REHEARSALS, OF_A_CLUSTER} and "tier.sh" in path.read_text()
]
UNDISTURBED = "no write fails"  # what the text of such a runbook says
ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "EPICOPS_HOME": str(PROJECT)}
HEADINGS = ["Symptom", "Confirm", "Act", "Verify", "Undo"]


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    with Tier(tmp_path_factory.mktemp("runbooks"), is_fast=True) as tier:
        yield tier


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_has_its_five_parts(path: Path) -> None:
    assert re.findall(r"^## (.*)$", path.read_text(), re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_made_up_patients_and_no_worker_are_of_a_rehearsal(path: Path) -> None:
    for before, block in re.findall(r"([^\n]*)\n\n```console\n(.*?)```", path.read_text(), re.DOTALL):
        if "simulate_hospital" in block or "stop epicops-worker" in block:
            assert re.search("rehears|worker stopped", before), block


@pytest.mark.slow
@pytest.mark.ha
@pytest.mark.redis70
@pytest.mark.parametrize("path", OF_THE_TIER, ids=lambda path: path.stem)
def test_a_runbook_does_what_it_says(path: Path, tier: Tier, listener_of: Callable[[Tier], int]) -> None:
    # Where the tier under test keeps what a host keeps in /etc/epicops.
    text = path.read_text().replace("/etc/epicops/tls", tier.site.tls).replace("/etc/epicops", f"{tier.root}/conf")
    if "send_mllp" in text:
        text = text.replace("--port 2575", f"--port {listener_of(tier)}")
    settings = (f"{name}={os.environ[name]}\n" for name in ("EPICOPS_SECRET_KEY", "EPICOPS_DATABASE_URL"))
    (tier.root / "conf" / "epicops.env").write_text("".join(settings))
    with all_the_while(partial(restart_sentinels, tier)), all_the_while(writer(tier) if UNDISTURBED in text else bool):
        follow(text, ENVIRONMENT, tier.root)
    tier.wait_until_whole()


@contextmanager
def all_the_while(step: Callable[[], object]) -> Iterator[None]:
    """Do something again and again until the block ends; raise what it raised."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(0.05):
            step()

    with ThreadPoolExecutor() as pool:
        repeated = pool.submit(repeat)
        try:
            yield
        finally:
            done.set()
        repeated.result()


def restart_sentinels(tier: Tier) -> None:
    """Do what Restart=always of their unit does."""
    for host, watcher in tier.watchers.items():
        if not watcher.is_running:
            tier.watch(host)


def writer(tier: Tier) -> Callable[[], None]:
    """Return what writes once on a connection that stays open and once on a new one, and raises if either fails."""
    url = tier.urls("worker")["EPICOPS_REDIS_QUEUE_URL"]
    held = connect(url, timeout=5)

    def write() -> None:
        with connect(url, timeout=5) as new:
            for client in (held, new):
                client.set("{interconnect:queue}:rehearsal", "written")

    return write


@pytest.fixture
def listener_of(process_environment: dict[str, str], manage: Callable[..., ManageProcess]) -> Callable[[Tier], int]:
    """Start the listener of a tier, with TLS and its clients' CA in senders.crt; return its port."""

    def start(tier: Tier) -> int:
        tls = Path(tier.site.tls)
        shutil.copy(tls / "ca.crt", tls / "senders.crt")
        process_environment.update(tier.urls("ingest"))
        files = ("--tls-cert", f"{tls}/127.0.0.1.crt", "--tls-key", f"{tls}/127.0.0.1.key")
        return Listener(manage, *files, "--tls-client-ca", f"{tls}/senders.crt").port

    return start


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = Services(tmp_path_factory.mktemp("services"))
    try:
        services.start()
        yield services
    finally:
        services.stop()


@pytest.mark.slow
@pytest.mark.ha
@pytest.mark.redis70
def test_the_runbook_of_a_cluster_does_what_it_says(tmp_path: Path) -> None:
    with ClusterTier(tmp_path) as tier:
        text = OF_A_CLUSTER.read_text().replace("/etc/epicops", f"{tier.root}/conf")
        for written, port in zip(("6380", "6381"), tier.site.servers("queue").values(), strict=True):
            text = text.replace(f":{written}", f":{port}")
        follow(text, ENVIRONMENT, tmp_path)
        tier.wait_until_whole()


@pytest.mark.slow
@pytest.mark.redis70  # for its redis-cli
def test_the_runbooks_of_the_services_do_what_they_say(services: Services) -> None:
    for path in OF_SERVICES:  # in one process: the services take longer to start than most runbooks
        text = path.read_text()
        if "$ mount " not in text or os.geteuid() == 0:  # a small disk is root's to mount
            services.renew()
            follow(services.localized(text), services.environment, services.root)


@pytest.mark.slow
@pytest.mark.ha
@pytest.mark.redis70
@pytest.mark.parametrize("path", REHEARSALS, ids=lambda path: path.stem)
def test_a_rehearsal_does_what_it_says(path: Path, services: Services) -> None:
    services.renew()
    follow(services.localized(path.read_text()), services.environment, services.root)
