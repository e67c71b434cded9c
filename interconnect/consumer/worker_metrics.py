"""What workers have done, for Prometheus, by lane, as each scrape finds it. No label holds patient data."""

import logging
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from interconnect.consumer.tally import Tallies
from interconnect.models import InboundMessage

logger = logging.getLogger(__name__)


class WorkerCollector(Collector):
    def __init__(self, tallies: Callable[[], Tallies]) -> None:
        self._tallies = tallies

    def collect(self) -> Iterator[Metric]:
        messages = CounterMetricFamily("epicops_worker_messages", "Messages delivered", labels=["lane", "status"])
        batches = CounterMetricFamily("epicops_worker_batches", "Batches committed", labels=["lane"])
        again = CounterMetricFamily(
            "epicops_worker_redelivered", "Batches that had been committed before", labels=["lane"]
        )
        owns = GaugeMetricFamily("epicops_worker_is_owner", "1 while it owns the queue or lane", labels=["lane"])
        for number, tally in sorted(self._tallies().items()):
            lane = str(number)
            for status in InboundMessage.Status.values:
                messages.add_metric([lane, status], tally[status])
            batches.add_metric([lane], tally["batches"])
            again.add_metric([lane], tally["redelivered"])
            owns.add_metric([lane], tally["owners"])
        yield from (messages, batches, again, owns)


def serve_metrics(tallies: Callable[[], Tallies], port: int) -> None:
    """Answer scrapes on this port of all interfaces, or on a free one for 0, in a thread; OSError where it is taken."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(tallies))
    ProcessCollector(registry=registry)
    server, _ = start_http_server(port, registry=registry)
    logger.info("metrics served", extra={"port": server.server_port})
