#!/usr/bin/env python
"""How long senders wait, and what is lost, when a primary of the Redis tier goes.

Run it as: script/with-stack benchmarks/failover.py [--quick] [--json]

The tier is the rendered one on three loopback addresses: TLS 1.3, users, three Sentinels with down-after 2000 and their
own clocks as shipped. A sender at the listener's door goes on all the while; lost is what was answered AA and is not in
the queue afterwards. The bare SENTINEL FAILOVER (not with --quick) shows why the switchover command exists. The
partition (not with --quick, and only as root) cuts the primary's host off for 12 s, with a second sender there.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "CRITICAL")

import django

django.setup()

from typing import Any

from django.test import override_settings
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from epicops import keys
from epicops.embedded.cluster_tier import ClusterTier
from epicops.embedded.server import Server
from epicops.embedded.tier import Tier
from epicops.redis_client import connect, sentinels
from epicops.switchover import switchover
from tests.load import SenderLoad, SenderOn
from tests.network import Network

GAP = 5.0  # seconds without an AA
URL = "EPICOPS_REDIS_QUEUE_URL"
PARTITION = "primary's host cut off for 12 s"


def kill(tier: Tier) -> None:
    tier.primary("queue").kill()


def freeze(tier: Tier) -> None:
    tier.primary("queue").freeze()


def freeze_host(tier: Tier) -> None:
    primary = tier.primary("queue")
    tier.watchers[primary.address[0]].freeze()
    primary.freeze()


def planned(tier: Tier) -> None:
    switchover(tier.urls("admin")[URL])


def bare_failover(tier: Tier) -> None:
    manager: Any = sentinels(tier.urls("admin")[URL])
    manager.sentinels[0].sentinel_failover("queue")


EVENTS: dict[str, Callable[[Tier], None]] = {
    "kill -9 of the primary": kill,
    "SIGSTOP of the primary": freeze,
    "host frozen: primary and a Sentinel": freeze_host,
    "switchover command": planned,
    "bare SENTINEL FAILOVER": bare_failover,
}


CLUSTER: dict[str, Callable[[Server], None]] = {
    "Cluster 3 + 3, kill -9 of a primary": Server.kill,
    "Cluster 3 + 3, SIGSTOP of a primary": Server.freeze,
}


def has_moved(tier: Tier, before: tuple[str, int]) -> bool:
    try:
        return tier.primary("queue").address != before
    except RedisError:  # none at the moment
        return False


def measure(tier: Tier, event: Callable[[Tier], None]) -> dict[str, float]:
    """Return the longest time without an AA in seconds, and how many accepted messages were lost."""
    tier.primary("queue").client().delete(keys.QUEUE)
    before = tier.primary("queue").address
    with SenderLoad() as load:
        event(tier)
        deadline = time.monotonic() + 60
        while not has_moved(tier, before) and time.monotonic() < deadline:
            time.sleep(0.1)
        load.wait_for_more(100)
    result = {
        "gap": round(load.gap, 2),
        "accepted": len(load.accepted),
        "lost": load.lost(tier.primary("queue").client()),
    }
    restore(tier)
    return result


def restore(tier: Tier) -> None:
    for server in (*tier.servers.values(), *tier.watchers.values()):
        server.thaw()
        if not server.is_running:
            server.start()
    tier.wait_until_whole()


def measure_partition() -> dict[str, float]:
    """Return the same for the sender on the side of the majority, with what both of them lost."""
    with (
        tempfile.TemporaryDirectory(prefix="epicops-") as root,
        Network(3) as network,
        Tier(Path(root), hosts=network.hosts, on=network.on) as tier,
        override_settings(EPICOPS_REDIS_QUEUE_URL=tier.urls("ingest")[URL]),
    ):
        isolated = tier.primary("queue").address[0]
        with SenderLoad() as outside, SenderOn(network, isolated) as inside:
            with network.cut_off(isolated):
                time.sleep(12)
            tier.wait_until_whole()
            outside.wait_for_more()
        queue = tier.primary("queue").client()
        accepted = len(outside.accepted) + len(inside.accepted)
        return {"gap": round(outside.gap, 2), "accepted": accepted, "lost": outside.lost(queue) + inside.lost(queue)}


def measure_cluster(disaster: Callable[[Server], None]) -> dict[str, float]:
    """Return the same on a Cluster, and the longest that a write to another shard took meanwhile, in seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="epicops-") as root,
        ClusterTier(Path(root)) as tier,
        override_settings(EPICOPS_REDIS_QUEUE_URL=tier.url("ingest")),
    ):
        primary, admin = tier.primary(keys.QUEUE), connect(tier.url("admin"))
        other = next(name for name in map(str, itertools.count()) if tier.primary(name) is not primary)
        slowest = 0.0
        with SenderLoad() as load:
            disaster(primary)
            before, deadline = len(load.accepted), time.monotonic() + 60
            while len(load.accepted) < before + 100 and time.monotonic() < deadline:
                started = time.monotonic()
                admin.set(other, 1)
                slowest = max(slowest, time.monotonic() - started)
                time.sleep(0.01)
        lost = load.lost(connect(tier.url("admin"), retries=1))
        primary.thaw()
        return {"gap": round(load.gap, 2), "accepted": len(load.accepted), "lost": lost, "others": round(slowest, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="kill -9 and switchover only; ends within 45 s")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()
    names = ["kill -9 of the primary", "switchover command"] if options.quick else list(EVENTS)

    with (
        tempfile.TemporaryDirectory(prefix="epicops-") as root,
        Tier(Path(root)) as tier,
        override_settings(EPICOPS_REDIS_QUEUE_URL=tier.urls("ingest")[URL]),
    ):
        figures = {name: measure(tier, EVENTS[name]) for name in names}
    if not options.quick:
        with suppress(PermissionError):
            figures[PARTITION] = measure_partition()
        figures |= {name: measure_cluster(disaster) for name, disaster in CLUSTER.items()}

    if not options.json:
        table = Table("", "seconds without an AA", "accepted", "lost", title="A primary of the queue goes")
        for name, row in figures.items():
            table.add_row(name, f"{row['gap']:.1f}", str(row["accepted"]), str(row["lost"]))
        Console().print(table)
    promised = [row for name, row in figures.items() if EVENTS.get(name) is not bare_failover]
    met = {"gap": all(row["gap"] < GAP for row in promised), "lost": all(row["lost"] == 0 for row in promised)}
    targets = {"gap_below": {"value": GAP, "met": met["gap"]}, "lost": {"value": 0, "met": met["lost"]}}
    print(json.dumps({"figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
