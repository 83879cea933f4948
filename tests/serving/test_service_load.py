"""The benchmark of the service measures what it says."""

from __future__ import annotations

from argparse import Namespace

import pytest

from benchmarks.service_load import in_words, measure


@pytest.mark.slow
def test_a_loaded_service_answers_every_request_and_is_ended(export_folder):
    arguments = Namespace(export=export_folder, seconds=1, clients=2, whole=False)
    result = measure(arguments, ["--workers", "1"])
    assert (result["errors"], result["codes"]) == (0, {"200": result["requests"]})
    assert result["requests"] >= 2
    assert 0 < result["milliseconds"]["p50"] <= result["milliseconds"]["p99"]
    assert result["requests_per_processor_second"] > 1
    assert 30 < result["memory_mb"]["before"] <= result["memory_mb"]["most"] + 1
    assert "photo, 2 clients, 1 s:" in in_words(result)
