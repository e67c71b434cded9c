"""The primary's host is cut off from the others, with a sender on either side, and joined again."""

import time
from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from epicops.embedded.tier import Tier
from tests.load import SenderLoad, SenderOn
from tests.network import Network

pytestmark = [pytest.mark.redis70, pytest.mark.slow, pytest.mark.ha]

APART = 6.0  # seconds; failover takes two, and an isolated primary takes writes for three
QUEUE_URL = "EPICOPS_REDIS_QUEUE_URL"


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        with Network(3) as network:
            yield network
    except PermissionError as error:
        pytest.skip(str(error))


def test_no_accepted_message_is_lost_in_a_partition(
    network: Network, tmp_path_factory: pytest.TempPathFactory, settings: LazySettings
) -> None:
    root = tmp_path_factory.mktemp("tier")
    with Tier(root, hosts=network.hosts, on=network.on, is_fast=True) as tier:
        settings.EPICOPS_REDIS_QUEUE_URL = tier.urls("ingest")[QUEUE_URL]
        isolated = tier.primary("queue").address[0]

        with SenderLoad() as outside, SenderOn(network, isolated) as inside:
            with network.cut_off(isolated):
                outside.wait_for_more()
                refused_before = inside.refused
                time.sleep(APART)
            tier.wait_until_whole()
            outside.wait_for_more()
            inside.wait_for_more()

        queue = tier.primary("queue")
        assert queue.address[0] != isolated
        assert inside.refused > refused_before
        assert outside.lost(queue.client()) == inside.lost(queue.client()) == 0
