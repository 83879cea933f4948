"""What a service counts, as Prometheus reads it."""

from __future__ import annotations

from ferflow.serving.metrics import Metrics
from tests.serving.clients import PHOTO, limited


def test_requests_times_and_faces_are_counted(export_folder):
    with limited(export_folder) as client:
        client.post("/predict", content=PHOTO)
        client.post("/predict", content=b"no picture")
        client.get("/nowhere")
        lines = client.get("/metrics").text.splitlines()
    assert 'ferflow_model_info{name="ferflow",sha256="' + "5" * 64 + '",version="3"} 1.0' in lines
    assert 'ferflow_requests_total{code="200",route="/predict"} 1.0' in lines
    assert 'ferflow_requests_total{code="422",route="/predict"} 1.0' in lines
    assert 'ferflow_requests_total{code="404",route="other"} 1.0' in lines
    assert 'ferflow_request_seconds_count{route="/predict"} 2.0' in lines
    assert "ferflow_faces_total 2.0" in lines


def test_a_time_is_counted_in_every_bucket_that_is_not_below_it():
    metrics = Metrics(name='odd "name"', version=None, sha256="5")
    for seconds in (0.005, 0.5, 60):
        metrics.request("/predict", 200, seconds)
    lines = metrics.text().decode().splitlines()
    counts = {bound: _bucket(lines, bound) for bound in ("0.005", "0.01", "0.3", "0.5", "30.0", "+Inf")}
    assert counts == {"0.005": 1, "0.01": 1, "0.3": 1, "0.5": 2, "30.0": 2, "+Inf": 3}
    assert 'ferflow_request_seconds_sum{route="/predict"} 60.505' in lines
    assert r'ferflow_model_info{name="odd \"name\"",sha256="5",version=""} 1.0' in lines
    (memory,) = (line.split()[1] for line in lines if line.startswith("process_resident_memory_bytes "))
    assert 10e6 < float(memory) < 50e9


def _bucket(lines: list[str], bound: str) -> float:
    start = f'ferflow_request_seconds_bucket{{le="{bound}",route="/predict"}} '
    return float(next(line.removeprefix(start) for line in lines if line.startswith(start)))
