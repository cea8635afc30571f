"""Metrics: what Prometheus is told of requests, batches, queues and workers, in a registry of the server's own."""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters and histograms, labelled by model."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        several: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("runner_requests", "Requests by route and status", ["route", "status"], **several)
        self.errors = Counter("runner_errors", "Requests that were refused or failed", ["status"], **several)
        self.latency = Histogram(
            "runner_request_seconds", "Seconds from a request to its answer", ["route"], buckets=SECONDS, **several
        )
        self.inference = Histogram(
            "runner_batch_seconds", "Seconds that a worker took for a batch", ["model"], buckets=SECONDS, **several
        )
        self.sizes = Histogram("runner_batch_requests", "Requests in a batch", ["model"], buckets=SIZES, **several)
        self.restarts = Counter("runner_worker_restarts", "Workers that had to be replaced", ["model"], **several)
        self.queue = Gauge("runner_queue_requests", "Requests that wait", ["model"], **several)
        self.live = Gauge("runner_workers", "Workers that are ready", ["model"], **several)

    def watch(self, model: str, queue: Callable[[], float], live: Callable[[], float]) -> None:
        """Ask these for the length of a model's queue and the number of its workers whenever somebody looks."""
        self.queue.labels(model).set_function(queue)
        self.live.labels(model).set_function(live)
        self.restarts.labels(model)

    def batched(self, model: str, count: int, seconds: float) -> None:
        """Note a batch of `count` requests."""
        self.sizes.labels(model).observe(count)
        self.inference.labels(model).observe(seconds)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Note an answered request."""
        self.requests.labels(route, str(status)).inc()
        self.latency.labels(route).observe(seconds)
        if status >= 400:
            self.errors.labels(str(status)).inc()

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)
