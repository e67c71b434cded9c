"""What one worker process has done, for Prometheus, read from its tally at each scrape. No label holds patient data."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from interconnect.consumer.worker import Worker


class WorkerCollector(Collector):
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        tally = self._worker.tally
        messages = CounterMetricFamily(
            "epicops_worker_messages", "Messages delivered by this process", labels=["status"]
        )
        for status, number in sorted(tally.messages.items()):
            messages.add_metric([status], number)
        yield messages
        yield CounterMetricFamily("epicops_worker_batches", "Batches it committed", tally.batches)
        yield CounterMetricFamily(
            "epicops_worker_redelivered", "Batches that had been committed before", tally.redelivered
        )
        yield GaugeMetricFamily("epicops_worker_is_owner", "1 while it owns the queue", int(self._worker.is_owner))


def serve_metrics(worker: Worker, port: int) -> None:
    """Answer scrapes on this port of all interfaces, in a thread; OSError where it is taken."""
    registry = CollectorRegistry()
    registry.register(WorkerCollector(worker))
    ProcessCollector(registry=registry)
    start_http_server(port, registry=registry)
