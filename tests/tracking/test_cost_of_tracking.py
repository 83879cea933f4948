"""What tracking takes of a training of profile `cpu`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.tracking import measure, share


@pytest.mark.slow
def test_tracking_takes_less_than_3_percent_of_a_training(embedded: Path):
    measured = measure(embedded, 3, pause=1.0)
    assert 0 < share(measured, epochs=32, epoch_seconds=75) < 0.03
    # Training waits for a line in a file, not for the store.
    assert measured["longest_wait"] < 1
