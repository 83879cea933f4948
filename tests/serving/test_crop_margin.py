"""The benchmark of the margin runs and measures what it says."""

from __future__ import annotations

import numpy as np

from benchmarks.crop_margin import measure, table
from tests.serving.conftest import expected_probabilities
from tests.serving.pictures import drawn_faces


def test_the_margin_is_measured_on_the_data_and_on_pasted_faces(export_folder, tmp_path):
    images = drawn_faces()[:12]
    labels = expected_probabilities(images).argmax(axis=1).astype(np.uint8)
    labels[0] = (labels[0] + 1) % 7
    np.savez(tmp_path / "test.npz", images=images, labels=labels)
    result = measure(tmp_path / "test.npz", export_folder, num_images=20)
    assert (result["detector"], result["images"]) == ("haar", 12)
    assert result["plain_accuracy"] == 11 / 12 == result["accuracy_of_size"][48]
    assert 38 < result["box_in_data"]["height"][0] < 48
    pasted = result["pasted"]["wall"]
    assert pasted["found"] > 0.7
    assert pasted["1.1"] > pasted["1.5"] - 0.2
    assert "| 1.25 heights of the box |" in table(result)
