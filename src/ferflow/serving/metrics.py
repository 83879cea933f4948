"""Counts and times of a service, in the text format that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from pathlib import Path

# Upper bounds in seconds; above the last one is +Inf.
BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """What a service counts; for one event loop, so without locks.

    Args:
        name: The name of the model.
        version: The version of the model; None for a bare file.
        sha256: The SHA-256 of the model.
    """

    def __init__(self, *, name: str, version: str | None, sha256: str) -> None:
        self._model = {"name": name, "version": version or "", "sha256": sha256}
        self._requests: Counter[tuple[str, int]] = Counter()
        self._rejected: Counter[str] = Counter()
        self._times: dict[str, _Histogram] = {}
        self._num_faces = 0
        self.num_in_flight = 0

    def request(self, route: str, code: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[route, code] += 1
        self._times.setdefault(route, _Histogram()).add(seconds)

    def rejected(self, reason: str) -> None:
        """Count a request that was refused at a limit, such as `busy` or `bytes`."""
        self._rejected[reason] += 1

    def faces(self, number: int) -> None:
        """Count faces that were read."""
        self._num_faces += number

    def text(self) -> str:
        """All of it, as Prometheus' text format 0.0.4."""
        lines = [
            *_header("ferflow_model_info", "gauge", "The model that answers."),
            f"ferflow_model_info{_labels(**self._model)} 1",
            *_header("ferflow_requests_total", "counter", "Requests by route and status code."),
        ]
        for (route, code), number in sorted(self._requests.items()):
            lines.append(f"ferflow_requests_total{_labels(route=route, code=code)} {number}")
        lines += _header("ferflow_request_seconds", "histogram", "Seconds until a request was answered.")
        for route, histogram in sorted(self._times.items()):
            lines += histogram.lines("ferflow_request_seconds", route)
        lines += [
            *_header("ferflow_faces_total", "counter", "Faces that were read."),
            f"ferflow_faces_total {self._num_faces}",
            *_header("ferflow_requests_in_flight", "gauge", "Requests that are being answered."),
            f"ferflow_requests_in_flight {self.num_in_flight}",
            *_header("ferflow_rejected_total", "counter", "Requests that were refused at a limit."),
        ]
        for reason, number in sorted(self._rejected.items()):
            lines.append(f"ferflow_rejected_total{_labels(reason=reason)} {number}")
        lines += [
            *_header("process_resident_memory_bytes", "gauge", "Memory of the service."),
            f"process_resident_memory_bytes {resident_bytes()}",
        ]
        return "\n".join(lines) + "\n"


def resident_bytes(process: int | str = "self") -> int:
    """Memory of a process that is in use now, in bytes, by Linux' account."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class _Histogram:
    """How many values are not above each bound, and their sum."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(BUCKETS, value)] += 1
        self._sum += value

    def lines(self, name: str, route: str) -> list[str]:
        total, lines = 0, []
        for bound, number in zip((*map(str, BUCKETS), "+Inf"), self._counts, strict=True):
            total += number
            lines.append(f"{name}_bucket{_labels(route=route, le=bound)} {total}")
        return [
            *lines,
            f"{name}_sum{_labels(route=route)} {self._sum:.6f}",
            f"{name}_count{_labels(route=route)} {total}",
        ]


def _header(name: str, kind: str, help_text: str) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]


def _labels(**labels: str | int) -> str:
    return "{" + ",".join(f'{key}="{_escaped(str(value))}"' for key, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
