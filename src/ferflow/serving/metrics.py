"""Counts and times of a service, as Prometheus reads them."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

# Upper bounds in seconds; above the last one is +Inf.
_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """What a service counts.

    Args:
        name: The name of the model.
        version: The version of the model; None for a bare file.
        sha256: The SHA-256 of the model.

    Attributes:
        in_flight: Requests that are being answered.
    """

    def __init__(self, *, name: str, version: str | None, sha256: str) -> None:
        # When a count began is told by when the process did.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        model = Info("ferflow_model", "The model that answers.", registry=registry)
        model.info({"name": name, "version": version or "", "sha256": sha256})
        labels = ("route", "code")
        self._requests = Counter(
            "ferflow_requests", "Requests by route and status code.", labels, registry=registry
        )
        self._times = Histogram(
            "ferflow_request_seconds",
            "Seconds until a request was answered.",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._faces = Counter("ferflow_faces", "Faces that were read.", registry=registry)
        self.in_flight = Gauge(
            "ferflow_requests_in_flight", "Requests that are being answered.", registry=registry
        )
        self._rejected = Counter(
            "ferflow_rejected", "Requests that were refused at a limit.", ("reason",), registry=registry
        )
        ProcessCollector(registry=registry)  # Memory, processor time, open files.

    def request(self, route: str, code: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, code).inc()
        self._times.labels(route).observe(seconds)

    def rejected(self, reason: str) -> None:
        """Count a request that was refused at a limit, such as `busy` or `bytes`."""
        self._rejected.labels(reason).inc()

    def faces(self, number: int) -> None:
        """Count faces that were read."""
        self._faces.inc(number)

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self._registry)
